// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <cstring>

#include <ifaddrs.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <turnstone/net/listen.hpp>

#include "socket_address.hpp"
#include "udp_batch.hpp"

namespace ts::net {
namespace {

constexpr int kBacklog = 1024;

bool set_option(int descriptor, int level, int name, int value) noexcept {
  return ::setsockopt(descriptor, level, name, &value, sizeof value) == 0;
}

struct Attempt {
  BoundSocket socket;
  int error = 0;
};

Attempt bind_socket(const Endpoint& wanted, int type, bool share_port) {
  Attempt out;
  out.socket.descriptor =
      Descriptor(::socket(family_of(wanted.address), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int fd = out.socket.descriptor.get();
  if (fd < 0) {
    out.error = errno;
    return out;
  }
  if (wanted.address.is_v6()) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (type == SOCK_STREAM) set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (share_port) set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  sockaddr_storage address{};
  const socklen_t bytes = to_sockaddr(wanted, address);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), bytes) != 0 ||
      (type == SOCK_STREAM && ::listen(fd, kBacklog) != 0)) {
    out.error = errno;
    return out;
  }
  socklen_t named = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &named);
  out.socket.local = from_sockaddr(address);
  return out;
}

std::string explain(const Endpoint& wanted, const char* protocol, const char* flag, int error) {
  std::string out = "cannot listen on " + wanted.to_string() + " (" + protocol + "): " + std::strerror(error);
  if (error == EADDRINUSE)
    out += std::string("; another program has it: stop that one or choose another ") + flag;
  if (error == EACCES) out += "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
  if (error == EADDRNOTAVAIL) out += "; no interface of this host has that address: correct --bind";
  return out;
}

/// One listener on all shards.
class Opener {
 public:
  Opener(const Options& options, Listeners& out) : options_(options), out_(out) {}

  /// Binds the address on each shard; the port that was bound, or 0 with a problem noted.
  std::uint16_t open(Endpoint wanted, int type, const char* flag) {
    const bool shared = out_.shards.size() > 1;
    const bool udp = type == SOCK_DGRAM;
    if (shared && wanted.port != 0) {
      // SO_REUSEPORT would let us share a port with a stranger of the same user in silence.
      const Attempt probe = bind_socket(wanted, type, false);
      if (probe.error != 0) return fail(wanted, udp, flag, probe.error);
    }
    for (ShardSockets& shard : out_.shards) {
      Attempt attempt = bind_socket(wanted, type, shared);
      if (attempt.error != 0) return fail(wanted, udp, flag, attempt.error);
      wanted.port = attempt.socket.local.port;
      if (udp) prepare_udp(attempt.socket);
      (udp ? shard.udp : shard.tcp).push_back(std::move(attempt.socket));
    }
    return wanted.port;
  }

 private:
  std::uint16_t fail(const Endpoint& wanted, bool udp, const char* flag, int error) {
    out_.problems.push_back(explain(wanted, udp ? "UDP" : "TCP", flag, error));
    return 0;
  }

  void prepare_udp(const BoundSocket& socket) {
    const int fd = socket.descriptor.get();
    const IpFamily family = socket.local.address.family();
    if (socket.local.address.is_unspecified()) enable_packet_info(fd, family);
    set_dont_fragment(fd, family, false);
    const int wanted = static_cast<int>(options_.udp_listener_buffer_bytes);
    set_option(fd, SOL_SOCKET, SO_RCVBUF, wanted);
    set_option(fd, SOL_SOCKET, SO_SNDBUF, wanted);
    int got = 0;
    socklen_t size = sizeof got;
    ::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &size);
    // The kernel doubles what it grants, for its own bookkeeping.
    if (got / 2 < wanted && out_.warnings.empty()) {
      out_.warnings.push_back("the kernel caps socket buffers at " + std::to_string(got / 2) + " bytes, " +
                              std::to_string(wanted) +
                              " were asked for; bursts may be lost: sysctl -w net.core.rmem_max=" +
                              std::to_string(wanted) + " net.core.wmem_max=" + std::to_string(wanted));
    }
  }

  const Options& options_;
  Listeners& out_;
};

bool host_has_v6() {
  const Attempt attempt = bind_socket(Endpoint{IpAddress::any(IpFamily::V6), 0}, SOCK_DGRAM, false);
  return attempt.error == 0;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(value_, other.value_);
  return *this;
}
Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}
int Descriptor::release() noexcept { return std::exchange(value_, -1); }

Listeners open_listeners(const Options& options, std::uint32_t shard_count, bool with_tls) {
  Listeners out;
  out.shards.resize(shard_count);
  out.addresses = options.bind;
  if (out.addresses.empty()) {
    out.addresses.push_back(IpAddress::any(IpFamily::V4));
    if (host_has_v6()) out.addresses.push_back(IpAddress::any(IpFamily::V6));
  }
  Opener opener(options, out);
  out.port = options.port;
  out.tls_port = with_tls ? options.tls_port : 0;
  out.http_port = options.http_port;
  const bool tls_apart = with_tls && (options.tls_port != options.port || options.tls_port == 0);
  const bool http_apart =
      (options.http_port != options.port && options.http_port != options.tls_port) || options.http_port == 0;
  for (const IpAddress& address : out.addresses) {
    // A port of 0 is the kernel's choice at the first socket, and the same for all that follow.
    if (options.udp) out.port = opener.open({address, out.port}, SOCK_DGRAM, "--port");
    if (options.tcp) out.port = opener.open({address, out.port}, SOCK_STREAM, "--port");
    if (tls_apart) out.tls_port = opener.open({address, out.tls_port}, SOCK_STREAM, "--tls-port");
    if (http_apart) out.http_port = opener.open({address, out.http_port}, SOCK_STREAM, "--http-port");
  }
  return out;
}

RelaySocket open_relay_socket(const Endpoint& local, std::uint32_t buffer_bytes) noexcept {
  Attempt attempt = bind_socket(local, SOCK_DGRAM, false);
  if (attempt.error != 0) return RelaySocket{Descriptor(), attempt.error};
  const int fd = attempt.socket.descriptor.get();
  set_dont_fragment(fd, local.address.family(), false);
  set_option(fd, SOL_SOCKET, SO_RCVBUF, static_cast<int>(buffer_bytes));
  set_option(fd, SOL_SOCKET, SO_SNDBUF, static_cast<int>(buffer_bytes));
  return RelaySocket{std::move(attempt.socket.descriptor), 0};
}

bool set_dont_fragment(int descriptor, IpFamily family, bool on) noexcept {
  if (family == IpFamily::V6) {
    return set_option(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
                      on ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT);
  }
  return set_option(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, on ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
}

std::vector<IpAddress> host_addresses() {
  std::vector<IpAddress> out;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return out;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr ||
        (at->ifa_addr->sa_family != AF_INET && at->ifa_addr->sa_family != AF_INET6))
      continue;
    sockaddr_storage address{};
    std::memcpy(&address, at->ifa_addr,
                at->ifa_addr->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    const IpAddress ip = from_sockaddr(address).address;
    if (std::find(out.begin(), out.end(), ip) == out.end()) out.push_back(ip);
  }
  ::freeifaddrs(list);
  return out;
}

std::uint64_t raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace ts::net
