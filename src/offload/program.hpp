// SPDX-License-Identifier: Apache-2.0
// Program: the loaded kernel program with its maps, and its filters on devices. All that knows libbpf.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <turnstone/base/result.hpp>
#include <turnstone/base/time.hpp>

#include "bpf/relay.h"

namespace ts::offload {

class Program {
 public:
  /// An error says what is missing, and the remedy.
  static Result<std::unique_ptr<Program>, std::string> load();
  /// Detaches.
  ~Program();

  /// Puts the filter on a device's way in, in place of one that the same `handle` left there; why not, if
  /// that fails.
  std::optional<std::string> attach(std::uint32_t device, std::uint32_t handle);

  /// False: the map is full, or the kernel has no memory.
  bool put(const ts_key& key, const ts_flow& value) noexcept;
  void remove(const ts_key& key) noexcept;
  /// Entries of other epochs are not used from now on, and none at all from `alive_until` on.
  void set(std::uint32_t epoch, TimePoint alive_until) noexcept;
  /// What the slot's flows have relayed until now; `slot` is below TS_MAX_FLOWS.
  ts_counts counts(std::uint32_t slot) const noexcept;
  /// Of the program, for tests.
  int descriptor() const noexcept;

 private:
  struct Impl;
  explicit Program(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ts::offload
