// SPDX-License-Identifier: Apache-2.0
// Asks a shard for something on its thread, and waits for it on another io_context's.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <turnstone/net/shard.hpp>

namespace ts::app {

/// What one question may take.
inline constexpr std::chrono::seconds kShardLimit{2};
/// What a request may take that asks shards one after the other. Its client waits for eight seconds.
inline constexpr std::chrono::seconds kCallLimit{4};

/// The time of one request, whatever it asks how many shards.
class CallTime {
 public:
  bool is_over() const { return Clock::now() >= ends_; }
  /// Until when the next question may take.
  std::chrono::steady_clock::time_point next() const { return std::min(Clock::now() + kShardLimit, ends_); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point ends_ = Clock::now() + kCallLimit;
};

/// Runs `what` on a shard's thread; nothing when that takes too long, and then it is not done later either.
template <class T>
boost::asio::awaitable<std::optional<T>> ask_shard(boost::asio::io_context& context, net::Shard& shard,
                                                   std::function<T(turn::Server&, Now, turn::Outbox&)> what,
                                                   CallTime time = {}) {
  struct Asked {
    Asked(boost::asio::io_context& io, std::chrono::steady_clock::time_point until) : here(io, until) {}
    boost::asio::steady_timer here;
    std::optional<T> value;
    /// The shard has begun, or nobody waits any more: whoever is first.
    std::atomic<bool> taken{false};
  };
  const auto asked = std::make_shared<Asked>(context, time.next());
  shard.with_server(
      [&context, asked, what = std::move(what)](turn::Server& server, Now now, turn::Outbox& out) {
        if (asked->taken.exchange(true)) return;
        const auto value = std::make_shared<T>(what(server, now, out));
        boost::asio::post(context, [asked, value] {
          asked->value.emplace(std::move(*value));
          asked->here.cancel();
        });
      });
  const auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
  co_await asked->here.async_wait(token);
  if (!asked->value && asked->taken.exchange(true)) {
    // Just begun: what it does is bounded.
    asked->here.expires_after(kShardLimit);
    co_await asked->here.async_wait(token);
  }
  co_return std::move(asked->value);
}

/// Everything about one allocation of a shard; null inside: there is none (any more).
boost::asio::awaitable<std::optional<std::optional<turn::AllocationDetail>>> ask_detail(
    boost::asio::io_context& context, net::Shard& shard, SlotHandle allocation);

}  // namespace ts::app
