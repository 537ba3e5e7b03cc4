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

  /// Puts the filters on the devices, beside those of other servers; what one that has crashed left behind is
  /// taken away. Returns the devices by name, an error where there is none, and with Mode::Xdp which
  /// have XDP; `warnings` gets what is wrong with single ones. Once.
  Result<std::vector<std::string>, std::string> attach(std::vector<std::string>& warnings);

  /// An end holds when this returns, but for packets that the kernel has in hand at that moment; a begin is
  /// the sockets' until our thread has found its ways.
  void apply(std::span<turn::Flow> flows) noexcept override;

  Counters counters() const noexcept;

 private:
  class Impl;
  explicit Offload(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ts::offload
