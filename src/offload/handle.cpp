// SPDX-License-Identifier: Apache-2.0
#include "handle.hpp"

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace ts::offload {
namespace {

/// "TS" in front: nobody else's filters of our priority are meant.
constexpr std::uint32_t kFirst = 0x54530001;

/// A name in the abstract namespace of Unix sockets, which is as wide as the network namespace and ends with
/// the process; nothing is sent. -1: somebody has it.
int bind_name(std::uint32_t number) noexcept {
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const int length = std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "turnstone-offload-%x",
                                   static_cast<unsigned>(number));
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<std::size_t>(length));
  if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), size) == 0) return descriptor;
  ::close(descriptor);
  return -1;
}

}  // namespace

std::optional<Handle> Handle::take_one(std::uint32_t index) {
  const int descriptor = bind_name(kFirst + index);
  if (descriptor < 0) return std::nullopt;
  return Handle(kFirst + index, descriptor);
}

std::optional<Handle> Handle::take() {
  for (std::uint32_t i = 0; i < kMostHandles; ++i) {
    if (auto out = take_one(i)) return out;
  }
  return std::nullopt;
}

Handle::Handle(Handle&& other) noexcept
    : number_(other.number_), descriptor_(std::exchange(other.descriptor_, -1)) {}

Handle& Handle::operator=(Handle&& other) noexcept {
  std::swap(number_, other.number_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

Handle::~Handle() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace ts::offload
