// SPDX-License-Identifier: Apache-2.0
#include "load.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <sys/epoll.h>

namespace ts::load {

Load::Load(const SignalOptions& options) : options_(options), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_.get() < 0) die("epoll_create1");
  clients_.reserve(options.clients);
  for (std::size_t i = 0; i < options.clients; ++i) {
    clients_.push_back(make_client(*this, i));
    waiting_.push_back(clients_.back().get());
  }
}

Load::~Load() = default;

Endpoint Load::local_of(std::size_t number) const noexcept {
  constexpr std::size_t kOfOneAddress = 100;
  const Options& o = options_.load;
  if (o.spread == IpAddress{} || !o.spread.is_v4()) return {o.client_address, 0};
  const ByteView first = o.spread.bytes();
  const std::size_t host = 1 + number / kOfOneAddress;
  const std::array<std::uint8_t, 4> bytes = {first[0], first[1], static_cast<std::uint8_t>(host / 250),
                                             static_cast<std::uint8_t>(1 + host % 250)};
  return {IpAddress::from_bytes(bytes), 0};
}

bool Load::bring(double seconds) {
  const std::uint64_t deadline = now_ns() + static_cast<std::uint64_t>(seconds * 1e9);
  while (there_ < clients_.size()) {
    if (now_ns() > deadline) return false;
    // Those who are refused at once come to its end again.
    for (std::size_t look = waiting_.size(); look != 0 && coming_ < options_.at_once; --look) {
      Client* const next = waiting_.front();
      waiting_.pop_front();
      ++coming_;
      next->come();
    }
    turn(5);
  }
  return true;
}

void Load::turn(int timeout_ms) {
  std::array<epoll_event, 256> events;
  const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms);
  if (count < 0 && errno != EINTR) die("epoll_wait");
  for (int i = 0; i < count; ++i) {
    auto* const channel = static_cast<Channel*>(events[static_cast<std::size_t>(i)].data.ptr);
    if (!channel->is_closed()) channel->owner().step(*channel);
  }
  // By index: a flush may end a client.
  for (std::size_t i = 0; i < unflushed_.size(); ++i) {
    Channel* const channel = unflushed_[i];
    if (!channel->is_closed() && !channel->flush()) channel->owner().step(*channel);
  }
  unflushed_.clear();
}

void Load::cut() {
  waiting_.clear();
  for (const auto& client : clients_) {
    client->cut();
    waiting_.push_back(client.get());
  }
  unflushed_.clear();
  coming_ = there_ = 0;
}

void Load::came(Client&) {
  --coming_;
  ++there_;
}

void Load::lost(Client& client) {
  if (client.is_there()) {
    --there_;
    ++dropped;
  } else {
    --coming_;
  }
  waiting_.push_back(&client);
}

void Load::complain(std::string_view words) {
  ++totals.other;
  if (std::exchange(complained_, true)) return;
  std::fprintf(stderr, "signload: the server says: %.*s\n", static_cast<int>(words.size()), words.data());
}

}  // namespace ts::load
