// SPDX-License-Identifier: Apache-2.0
#include "socket_buffers.hpp"

#include <algorithm>

#include <sys/socket.h>

#include <turnstone/net/listen.hpp>

namespace ts::net {
namespace {

/// One of the two buffers of a socket.
struct Direction {
  int option;
  int forced_option;
  const char* what_for;
  const char* limit;
};
constexpr Direction kReceive{SO_RCVBUF, SO_RCVBUFFORCE, "receive into", "net.core.rmem_max"};
constexpr Direction kSend{SO_SNDBUF, SO_SNDBUFFORCE, "send from", "net.core.wmem_max"};

void set_buffer(int descriptor, const Direction& direction, std::uint32_t bytes) noexcept {
  const int value = static_cast<int>(bytes);
  if (::setsockopt(descriptor, SOL_SOCKET, direction.forced_option, &value, sizeof value) != 0)
    ::setsockopt(descriptor, SOL_SOCKET, direction.option, &value, sizeof value);
}

std::uint32_t granted(int descriptor, const Direction& direction) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  ::getsockopt(descriptor, SOL_SOCKET, direction.option, &value, &size);
  // The kernel doubles what it grants, for its own bookkeeping.
  return static_cast<std::uint32_t>(value) / 2;
}

/// Empty: all is granted.
std::string warning(int descriptor, const Direction& direction, const Options& options) {
  struct Wish {
    const char* key;
    std::uint32_t bytes;
  };
  std::string out;
  std::uint32_t most = 0;
  for (const Wish& wish :
       {Wish{"listen.udp_listener_buffer", options.udp ? options.udp_listener_buffer_bytes : 0},
        Wish{"listen.udp_relay_buffer", options.udp_relay_buffer_bytes}}) {
    set_buffer(descriptor, direction, wish.bytes);
    const std::uint32_t got = granted(descriptor, direction);
    if (got >= wish.bytes) continue;
    out += out.empty() ? "the kernel grants " : ", and ";
    out += std::to_string(got) + " of the " + std::to_string(wish.bytes) + " bytes of " + wish.key;
    most = std::max(most, wish.bytes);
  }
  if (out.empty()) return out;
  return out + " to " + direction.what_for + "; bursts may be lost: sysctl -w " + direction.limit + '=' +
         std::to_string(most);
}

}  // namespace

void set_buffers(int descriptor, std::uint32_t bytes) noexcept {
  set_buffer(descriptor, kReceive, bytes);
  set_buffer(descriptor, kSend, bytes);
}

std::vector<std::string> buffer_warnings(const Options& options) {
  std::vector<std::string> out;
  const Descriptor probe(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe) return out;
  for (const Direction& direction : {kReceive, kSend}) {
    std::string text = warning(probe.get(), direction, options);
    if (!text.empty()) out.push_back(std::move(text));
  }
  return out;
}

}  // namespace ts::net
