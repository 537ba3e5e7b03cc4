// SPDX-License-Identifier: Apache-2.0
// Which shard a client's datagrams come to: a program in the kernel (SO_ATTACH_REUSEPORT_CBPF) that looks at
// the client's address and port alone. Left to itself, the kernel takes the listener into account too, and
// spreads anew whenever a socket joins the port.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <turnstone/base/address.hpp>
#include <turnstone/base/random.hpp>

namespace ts::net {

/// The same for all UDP listeners of a process, whose sockets must have been bound in the order of the
/// shards: the kernel numbers the sockets of a port in the order in which they join it.
class Steering {
 public:
  /// What is drawn from `random` keeps strangers from choosing a shard by choosing their ports.
  Steering(std::uint32_t shard_count, RandomSource& random) noexcept;

  /// Of a bound socket with SO_REUSEPORT, for all that share its address and port, now and later. False: the
  /// kernel has no such programs (before Linux 4.5), and spreads as it does.
  bool attach(int descriptor, IpFamily family) const noexcept;

 private:
  std::uint32_t shard_count_;
  /// Of the port, and of an address's 16-bit words.
  std::array<std::uint32_t, 9> factors_{};
};

}  // namespace ts::net
