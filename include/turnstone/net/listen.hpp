// SPDX-License-Identifier: Apache-2.0
// Opens every listening socket before anything runs, so that what is wrong is said at once and all together.
#pragma once

#include <string>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/net/options.hpp>
#include <turnstone/turn/options.hpp>

namespace ts::net {

/// An owned descriptor.
class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int descriptor) noexcept : value_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : value_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const noexcept { return value_; }
  int release() noexcept;
  explicit operator bool() const noexcept { return value_ >= 0; }

 private:
  int value_ = -1;
};

/// A bound socket; `local` has the port that was really bound.
struct BoundSocket {
  Descriptor descriptor;
  Endpoint local;
};

/// The listeners of one shard.
struct ShardSockets {
  std::vector<BoundSocket> udp;
  std::vector<BoundSocket> tcp;
};

struct Listeners {
  std::vector<ShardSockets> shards;
  /// The ports that were really bound; 0: none.
  std::uint16_t port = 0;
  std::uint16_t tls_port = 0;
  std::uint16_t dtls_port = 0;
  std::uint16_t http_port = 0;
  /// NAT behaviour discovery: the second UDP port.
  std::uint16_t alt_port = 0;
  /// The addresses that were bound.
  std::vector<IpAddress> addresses;
  /// Each thing that did not work, with what to do; empty: all is well.
  std::vector<std::string> problems;
  /// What works but not as asked, for the log.
  std::vector<std::string> warnings;
};

/// Binds all of `options` for `shard_count` shards. `with_tls`: also the TLS and DTLS ports. Waits up to two
/// seconds for ports that are in use: a server that used io_uring gives them back some time after its end.
Listeners open_listeners(const Options& options, std::uint32_t shard_count, bool with_tls);

/// RFC 5780: the endpoints of NAT behaviour discovery for the core, one pair a family; empty: off. With
/// wildcard listeners the primary address is one of `preferred`, else of this host's.
std::vector<turn::DiscoveryPair> discovery_pairs(const Options& options, const Listeners& listeners,
                                                 const std::vector<IpAddress>& preferred);

/// A non-blocking UDP socket for a relayed transport address, or the errno.
struct RelaySocket {
  Descriptor descriptor;
  int error = 0;
};
RelaySocket open_relay_socket(const Endpoint& local, std::uint32_t buffer_bytes) noexcept;

/// Sets whether datagrams may be fragmented (RFC 8656 §14, §15): the DF bit on an IPv4 socket; on an IPv6 one
/// whether the kernel fragments what exceeds the path's MTU.
bool set_dont_fragment(int descriptor, IpFamily family, bool on) noexcept;

/// Every address of this host's interfaces.
std::vector<IpAddress> host_addresses();

/// Raises the soft limit of descriptors to the hard one; returns it.
std::uint64_t raise_descriptor_limit() noexcept;

}  // namespace ts::net
