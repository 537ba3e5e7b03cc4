// SPDX-License-Identifier: Apache-2.0
// Program: the loaded kernel programs with their maps, and their filters on devices. All that knows libbpf.
// Calls about slots come from one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <turnstone/base/result.hpp>
#include <turnstone/base/time.hpp>

#include "entries.hpp"
#include "xdp.hpp"

namespace ts::offload {

class Program {
 public:
  /// Whether there is an XDP program beside tc's; where the kernel refuses that one, xdp_problem() says why.
  enum class With : bool { Tc, Xdp };
  /// An error says what is missing, and the remedy.
  static Result<std::unique_ptr<Program>, std::string> load(With with = With::Tc);
  /// Detaches.
  ~Program();

  /// Puts the filters on a device's way in and way out, in place of those that the same `handle` left there;
  /// why not, if that fails.
  std::optional<std::string> attach(std::uint32_t device, std::uint32_t handle);
  /// Both are still there, and ours.
  bool is_attached(std::uint32_t device, std::uint32_t handle) const noexcept;

  /// What Xdp is made of.
  Xdp::Parts xdp_parts() const noexcept;
  /// Empty: there is an XDP program, or it was not asked for.
  const std::string& xdp_problem() const noexcept;

  /// Takes filters away that a server which is gone has left there.
  void clear(std::uint32_t device, std::uint32_t handle) noexcept;

  /// Writes the slot's legs, which no key may have led to since the last settle().
  void write(std::uint32_t slot, const Entries& entries) noexcept;
  /// Makes the keys lead to the slot's legs; false, and neither does: the kernel has no memory.
  bool publish(std::uint32_t slot, const Entries& entries) noexcept;
  /// The keys lead nowhere any more. Packets that are being relayed at this moment still use the legs, until
  /// settle() has returned.
  void withdraw(const Entries& entries) noexcept;
  /// Until when legs that may be in use relay.
  void prolong(std::uint32_t slot, TimePoint until) noexcept;

  /// The legs of a slot, which may be in use or may never have been, have to be proven anew. From the thread
  /// that writes slots.
  void doubt(std::uint32_t slot) noexcept;

  /// Legs of other epochs are not used from now on, and none at all from `alive_until` on. Cannot fail: these
  /// are stores into memory that the program shares.
  void set(std::uint32_t epoch, TimePoint alive_until) noexcept;
  /// Returns when every packet that was being relayed has been: some milliseconds. False: the kernel has no
  /// memory for the question, and some may still be. Any thread.
  [[nodiscard]] bool settle() noexcept;

  /// What the slot's flows have relayed until now; `slot` is below TS_MAX_FLOWS.
  ts_counts counts(std::uint32_t slot) const noexcept;

  /// For tests: the two programs, and what the kernel's program wrote into a leg.
  int relay_descriptor() const noexcept;
  int watch_descriptor() const noexcept;
  /// Lets the XDP program, if there is one, take frames to a device, and send by it to a neighbour.
  void serve_by_xdp(std::uint32_t device, const IpAddress& neighbour, const EthernetAddress& at) noexcept;
  ts_leg leg(std::uint32_t number) const noexcept;
  void set_proof(std::uint32_t number, std::uint64_t proven, std::uint32_t came) noexcept;

 private:
  struct Impl;
  explicit Program(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ts::offload
