// SPDX-License-Identifier: Apache-2.0
#include "service_manager.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace ts::app {
namespace {

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string out = value == nullptr ? "" : value;
  ::unsetenv(name);
  return out;
}

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t out = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || stop != text.data() + text.size() || out == 0) return std::nullopt;
  return out;
}

}  // namespace

ServiceManager::ServiceManager(std::string socket_name) : socket_name_(std::move(socket_name)) {
  if (socket_name_.empty()) return;
  socket_ = net::Descriptor(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const timeval longest{.tv_sec = 1, .tv_usec = 0};
  if (socket_) ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
}

ServiceManager ServiceManager::from_environment() {
  ServiceManager out(take_variable("NOTIFY_SOCKET"));
  const auto microseconds = number(take_variable("WATCHDOG_USEC"));
  const auto process = number(take_variable("WATCHDOG_PID"));
  const bool meant = !process || *process == static_cast<std::uint64_t>(::getpid());
  constexpr std::uint64_t kLongest = 365ULL * 86'400 * 1'000'000;
  if (microseconds && meant) out.watchdog_ = std::chrono::microseconds(std::min(*microseconds, kLongest));
  return out;
}

void ServiceManager::tell(std::string_view lines) const noexcept { send(lines, 0); }

void ServiceManager::tell_alive() const noexcept { send("WATCHDOG=1", MSG_DONTWAIT); }

void ServiceManager::send(std::string_view lines, int flags) const noexcept {
  sockaddr_un address{};
  if (!socket_ || socket_name_.size() > sizeof address.sun_path - 1) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_name_.data(), socket_name_.size());
  // An abstract name begins with a zero byte, and its length says where it ends.
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_name_.size());
  // By its address each time and not connected: a manager that runs anew listens there again.
  // NOLINTNEXTLINE: the socket API's way
  const auto* to = reinterpret_cast<const sockaddr*>(&address);
  const ssize_t sent = ::sendto(socket_.get(), lines.data(), lines.size(), MSG_NOSIGNAL | flags, to, length);
  static_cast<void>(sent);
}

void Heartbeat::start() {
  constexpr int kSigns = 3;
  if (!manager_.watchdog()) return;
  timer_.expires_after(*manager_.watchdog() / kSigns);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    ask_([&manager = manager_] { manager.tell_alive(); });
    start();
  });
}

}  // namespace ts::app
