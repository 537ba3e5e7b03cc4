// SPDX-License-Identifier: Apache-2.0
#include "drain.hpp"

#include <algorithm>
#include <utility>

#include <turnstone/app/logging.hpp>

namespace ts::app {
namespace {

constexpr std::chrono::milliseconds kPeriod{200};
/// Before the first signaling client comes back: so long a balancer may take to see that we are not ready.
constexpr std::chrono::milliseconds kRetryAfter{1000};
/// What clients have to leave by themselves, each after its own time.
constexpr std::chrono::milliseconds kLeaveTime{1000};

double seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

Drain::Drain(boost::asio::io_context& context, Hands hands) : timer_(context), hands_(std::move(hands)) {}

void Drain::begin(const config::ShutdownOptions& options, std::function<void()> done) {
  if (stopped_) return;
  if (done && options.drain_timeout.count() == 0) return done();
  const bool ends = done && !done_;
  if (ends) {
    done_ = std::move(done);
    end_at_ = Clock::now() + options.drain_timeout;
  }
  const bool first = !on_;
  if (!first && !ends) return;
  if (first) {
    on_ = true;
    none_before_ = disconnected_ = false;
    began_ = Clock::now();
    hands_.refuse(true);
  }
  log::info("draining", {{"ends", ends}, {"timeout_seconds", seconds(options.drain_timeout)}});
  send_away(options, ends, first);
  if (first) look();
}

void Drain::send_away(const config::ShutdownOptions& options, bool ends, bool first) {
  // Who ends at a given time has sent everybody away by then.
  const std::chrono::milliseconds most =
      std::max(options.drain_timeout - kRetryAfter - kLeaveTime, std::chrono::milliseconds(0));
  const std::chrono::milliseconds spread =
      ends ? std::min(options.signaling_spread, most) : options.signaling_spread;
  const Clock::time_point all_gone_at = Clock::now() + kRetryAfter + spread + kLeaveTime;
  // What they were told before an end was known is good enough if it is over in time.
  if (!first && (disconnected_ || disconnect_at_ <= all_gone_at)) return;
  disconnect_at_ = all_gone_at;
  hands_.send_away(signal::Farewell{kRetryAfter, spread, kLeaveTime});
}

bool Drain::cancel() {
  if (!on_ || done_ || stopped_) return false;
  on_ = false;
  timer_.cancel();
  hands_.refuse(false);
  hands_.welcome();
  log::info("draining no more");
  return true;
}

void Drain::stop() {
  stopped_ = true;
  done_ = nullptr;
  timer_.cancel();
}

void Drain::look_soon() {
  timer_.expires_after(kPeriod);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && on_ && !stopped_) look();
  });
}

void Drain::look() {
  const auto now = Clock::now();
  if (!disconnected_ && now >= disconnect_at_) {
    disconnected_ = true;
    hands_.disconnect();
  }
  if (done_ && now >= end_at_) return finish(false);
  hands_.count([this](Remaining remaining) {
    if (on_ && !stopped_) counted(remaining);
  });
  look_soon();
}

void Drain::counted(Remaining remaining) {
  remaining_ = remaining;
  const bool none = remaining.none();
  if (none && none_before_ && done_) return finish(true);
  none_before_ = none;
}

void Drain::finish(bool in_time) {
  stopped_ = true;  // it is too late to come back to this
  timer_.cancel();
  const auto took = seconds(Clock::now() - began_);
  if (in_time) {
    log::info("drained", {{"seconds", took}});
  } else {
    log::warn(
        "not drained in time: what is left ends now",
        {{"seconds", took}, {"allocations", remaining_.allocations}, {"sessions", remaining_.sessions}});
  }
  std::exchange(done_, nullptr)();
}

}  // namespace ts::app
