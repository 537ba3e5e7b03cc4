// SPDX-License-Identifier: Apache-2.0
// Webhooks: tells applications what happens in rooms and on the relay, as signed posts that are repeated
// until they are taken. Each URL has a queue and connections of its own. HTTP thread, but for
// allocation_ended().
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <turnstone/base/random.hpp>
#include <turnstone/config/config.hpp>
#include <turnstone/net/counters.hpp>
#include <turnstone/net/http_caller.hpp>
#include <turnstone/signal/observer.hpp>
#include <turnstone/turn/outbox.hpp>

#include "webhook_queue.hpp"

namespace ts::app {

class Webhooks final : public signal::Observer {
 public:
  /// Both outlive this object.
  Webhooks(boost::asio::io_context& context, RandomSource& random);
  ~Webhooks() override;

  /// From now on these hold. What waits for a URL that stays is kept. What is wrong with the file of
  /// certificates (then all stays as it was); empty: nothing.
  std::string use(const config::WebhookOptions& options);
  /// Posts what waits, for a short while, and then nothing any more.
  void finish();

  /// Any thread; takes a moment, and nothing where nobody wants to know.
  void allocation_ended(const turn::AllocationEvent& event);

  // signal::Observer.
  void member_joined(const signal::MemberEvent& member) override;
  void member_left(const signal::MemberEvent& member, signal::LeaveReason why) override;
  void room_opened(std::string_view room) override;
  void room_emptied(std::string_view room) override;

  net::WebhookCounters counters() const;

 private:
  struct Target;

  bool wants(net::WebhookEvent event) const noexcept;
  void tell(net::WebhookEvent event, std::string_view key, std::string_view data);
  void collect();
  void pump(const std::shared_ptr<Target>& target);
  void send(const std::shared_ptr<Target>& target, const WebhookQueue::Sending& sending);
  void replied(const std::shared_ptr<Target>& target, std::size_t lane, const net::HttpReply& reply);
  void wait(const std::shared_ptr<Target>& target);
  void end_if_idle();
  void end();

  boost::asio::io_context& context_;
  RandomSource& random_;
  const std::string node_;
  const std::uint64_t seed_;
  config::WebhookOptions options_;
  std::vector<std::string> keys_;
  std::vector<std::shared_ptr<Target>> targets_;
  net::WebhookCounters counters_;
  boost::asio::steady_timer last_call_;
  bool finishing_ = false;
  bool over_ = false;

  std::atomic<bool> wants_allocations_{false};
  mutable std::mutex mutex_;  // of what follows
  std::vector<turn::AllocationEvent> ended_;
  std::uint64_t ended_dropped_ = 0;
};

}  // namespace ts::app
