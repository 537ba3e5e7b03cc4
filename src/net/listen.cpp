// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include <ifaddrs.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <turnstone/net/clock.hpp>
#include <turnstone/net/listen.hpp>

#include "discovery.hpp"
#include "socket_address.hpp"
#include "socket_buffers.hpp"
#include "steering.hpp"
#include "udp_batch.hpp"
#include "udp_errors.hpp"

namespace ts::net {
namespace {

constexpr int kBacklog = 1024;

// For all listeners together.
constexpr std::chrono::milliseconds kPatience{2000};
constexpr std::chrono::milliseconds kLookAgain{10};

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
  if (error == EMFILE) out += "; raise the limit (ulimit -n) or lower listen.threads";
  if (error == EACCES) out += "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
  if (error == EADDRNOTAVAIL) out += "; no interface of this host has that address: correct --bind";
  return out;
}

Steering steering_for(std::size_t shard_count) {
  SystemRandom random;
  return Steering(static_cast<std::uint32_t>(shard_count), random);
}

/// One listener on all shards.
class Opener {
 public:
  Opener(const Options& options, Listeners& out)
      : options_(options),
        out_(out),
        steering_(steering_for(out.shards.size())),
        patient_until_(std::chrono::steady_clock::now() + kPatience) {}

  /// Binds the port of each address on each shard, for UDP, TCP or both. A port of 0 becomes the kernel's
  /// choice. What fails is noted, and the rest is tried all the same, so that everything is said at once.
  void open(std::uint16_t& port, bool udp, bool tcp, const char* flag) {
    if (port == 0) port = choose_port(udp, tcp, out_.addresses);
    for (const IpAddress& address : out_.addresses) {
      if (udp) open({address, port}, SOCK_DGRAM, flag);
      if (tcp) open({address, port}, SOCK_STREAM, flag);
    }
  }

  /// RFC 5780 §6: the second UDP port on each address, and both ports on the alternate addresses. Wildcard
  /// listeners serve the alternate addresses already.
  void open_alternates(std::uint16_t port, std::uint16_t& alt_port) {
    std::vector<IpAddress> bound;
    for (const IpAddress& alternate : options_.alt_addresses) {
      for (const IpAddress& address : out_.addresses) {
        if (address.family() == alternate.family()) bound.push_back(address);
      }
      if (wildcard_of(alternate.family())) continue;
      bound.push_back(alternate);
      open({alternate, port}, SOCK_DGRAM, "--port");
    }
    if (alt_port == 0) alt_port = choose_port(true, false, bound);
    for (const IpAddress& address : bound) open({address, alt_port}, SOCK_DGRAM, "--alt-port");
  }

 private:
  bool wildcard_of(IpFamily family) const {
    return std::find(out_.addresses.begin(), out_.addresses.end(), IpAddress::any(family)) !=
           out_.addresses.end();
  }

  /// A port that is free for all that will be bound to it: one that the kernel gives for UDP may be taken for
  /// TCP, and with SO_REUSEPORT it may give one that somebody has. 0: there is none.
  std::uint16_t choose_port(bool udp, bool tcp, const std::vector<IpAddress>& addresses) const {
    constexpr int kTries = 64;
    for (int i = 0; i < kTries; ++i) {
      std::uint16_t port = 0;
      std::vector<BoundSocket> held;
      const auto hold = [&](const IpAddress& address, int type) {
        Attempt attempt = bind_socket({address, port}, type, false);
        if (attempt.error != 0) return false;
        port = attempt.socket.local.port;
        held.push_back(std::move(attempt.socket));
        return true;
      };
      const bool all = std::all_of(addresses.begin(), addresses.end(), [&](const IpAddress& a) {
        return (!udp || hold(a, SOCK_DGRAM)) && (!tcp || hold(a, SOCK_STREAM));
      });
      const auto& others = options_.alt_addresses;  // which take the same UDP port
      const bool others_too = !udp || std::all_of(others.begin(), others.end(), [&](const IpAddress& a) {
        return wildcard_of(a.family()) || std::count(addresses.begin(), addresses.end(), a) != 0 ||
               hold(a, SOCK_DGRAM);
      });
      if (all && others_too) return port;
    }
    return 0;
  }

  void open(const Endpoint& wanted, int type, const char* flag) {
    const bool shared = out_.shards.size() > 1;
    const bool udp = type == SOCK_DGRAM;
    if (shared) {
      // SO_REUSEPORT would let us share a port with a stranger of the same user in silence.
      const Attempt probe = bind_patiently(wanted, type, false);
      if (probe.error != 0) return fail(wanted, udp, flag, probe.error);
    }
    for (ShardSockets& shard : out_.shards) {
      Attempt attempt = bind_patiently(wanted, type, shared);
      if (attempt.error != 0) return fail(wanted, udp, flag, attempt.error);
      if (udp) prepare_udp(attempt.socket);
      // The first one's program is that of all who join it, in the order of the shards.
      if (udp && shared && &shard == &out_.shards.front()) steer(attempt.socket);
      (udp ? shard.udp : shard.tcp).push_back(std::move(attempt.socket));
    }
  }

  /// The sockets of a server that used io_uring and was killed are closed some time after its end, by a
  /// thread of the kernel: whoever starts it anew at once would meet its ports.
  Attempt bind_patiently(const Endpoint& wanted, int type, bool share_port) const {
    while (true) {
      Attempt attempt = bind_socket(wanted, type, share_port);
      if (attempt.error != EADDRINUSE || std::chrono::steady_clock::now() >= patient_until_) return attempt;
      std::this_thread::sleep_for(kLookAgain);
    }
  }

  void fail(const Endpoint& wanted, bool udp, const char* flag, int error) {
    out_.problems.push_back(explain(wanted, udp ? "UDP" : "TCP", flag, error));
  }

  void steer(const BoundSocket& first) {
    if (steering_.attach(first.descriptor.get(), first.local.address.family()) || warned_of_steering_) return;
    warned_of_steering_ = true;
    out_.warnings.push_back(
        "the kernel takes no program for listeners (SO_ATTACH_REUSEPORT_CBPF): a client that uses several "
        "of them may meet several threads");
  }

  void prepare_udp(const BoundSocket& socket) {
    const int fd = socket.descriptor.get();
    const IpFamily family = socket.local.address.family();
    if (socket.local.address.is_unspecified()) enable_packet_info(fd, family);
    enable_traffic_class(fd, family);
    enable_trains(fd);
    enable_drop_count(fd);
    set_dont_fragment(fd, family, false);
    set_buffers(fd, options_.udp_listener_buffer_bytes);
  }

  const Options& options_;
  Listeners& out_;
  Steering steering_;
  std::chrono::steady_clock::time_point patient_until_;
  bool warned_of_steering_ = false;
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
  out.warnings = buffer_warnings(options);
  Opener opener(options, out);
  out.port = options.port;
  out.tls_port = with_tls ? options.tls_port : 0;
  out.dtls_port = with_tls && options.udp ? options.dtls_port : 0;
  out.http_port = options.http_port;
  // Every stream port serves everything: ports that are the same are one.
  const auto among_streams = [&](std::uint16_t port) {
    return options.tcp && port != 0 && port == options.port;
  };
  const bool tls_apart = with_tls && !among_streams(options.tls_port);
  const bool on_tls_port = with_tls && options.http_port != 0 && options.http_port == options.tls_port;
  const bool http_apart = !among_streams(options.http_port) && !on_tls_port;
  const std::vector<std::string> misfits = discovery_problems(options, out.addresses);
  out.problems = misfits;
  opener.open(out.port, options.udp, options.tcp, "--port");
  if (misfits.empty() && !options.alt_addresses.empty()) {
    out.alt_port = options.alt_port;
    opener.open_alternates(out.port, out.alt_port);
  }
  if (tls_apart) opener.open(out.tls_port, false, true, "--tls-port");
  // Every UDP port serves DTLS.
  const bool dtls_apart =
      with_tls && options.udp && (options.dtls_port == 0 || options.dtls_port != out.port);
  if (dtls_apart) opener.open(out.dtls_port, true, false, "--dtls-port");
  if (http_apart) opener.open(out.http_port, false, true, "--http-port");
  return out;
}

RelaySocket open_relay_socket(const Endpoint& local, std::uint32_t buffer_bytes) noexcept {
  Attempt attempt = bind_socket(local, SOCK_DGRAM, false);
  if (attempt.error != 0) return RelaySocket{Descriptor(), attempt.error};
  const int fd = attempt.socket.descriptor.get();
  const IpFamily family = local.address.family();
  set_dont_fragment(fd, family, false);
  enable_traffic_class(fd, family);
  enable_trains(fd);
  enable_drop_count(fd);
  enable_error_queue(fd, family);
  set_buffers(fd, buffer_bytes);
  return RelaySocket{std::move(attempt.socket.descriptor), 0};
}

bool set_dont_fragment(int descriptor, IpFamily family, bool on) noexcept {
  if (family == IpFamily::V6) {
    return set_option(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
                      on ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT);
  }
  // Off: no DF, fragments as the link demands. With IP_PMTUDISC_DONT the kernel would keep an ICMP
  // "fragmentation needed" to itself that comes back for an earlier datagram with DF.
  return set_option(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, on ? IP_PMTUDISC_PROBE : IP_PMTUDISC_OMIT);
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
