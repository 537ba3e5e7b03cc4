// SPDX-License-Identifier: Apache-2.0
// Offload: flows that the kernel relays by itself, between the devices, without our sockets. It follows what
// the cores tell; what it does not know, or not any more, the sockets relay. Any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <turnstone/base/result.hpp>
#include <turnstone/offload/counters.hpp>
#include <turnstone/offload/options.hpp>
#include <turnstone/turn/flows.hpp>

namespace ts::offload {

/// False: this binary was built without libbpf or clang.
bool is_built_in() noexcept;

class Offload final : public turn::FlowSink {
 public:
  /// Loads the program; nothing is relayed before attach(). An error says what is missing, and the remedy.
  static Result<std::unique_ptr<Offload>, std::string> make(const Options& options);
  /// Takes the filters off the devices.
  ~Offload() override;

  /// Puts the filter on the devices. `instance`, not 0, tells this server from others of this host and is the
  /// same after a restart: the filter that a crashed predecessor left behind is replaced. Returns the devices
  /// by name, an error where there is none; `warnings` gets what is wrong with single ones.
  Result<std::vector<std::string>, std::string> attach(std::uint16_t instance,
                                                       std::vector<std::string>& warnings);

  void apply(std::span<turn::Flow> flows) noexcept override;

  Counters counters() const noexcept;

 private:
  class Impl;
  explicit Offload(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ts::offload
