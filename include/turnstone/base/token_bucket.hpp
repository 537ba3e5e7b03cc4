// SPDX-License-Identifier: Apache-2.0
// TokenBucket: how much may pass in a time. Exact integer arithmetic; time is an argument. What cannot be
// dropped is charged, into debt if need be, and waits afterwards.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <turnstone/base/time.hpp>

namespace ts {

/// A rate in tokens (bytes, packets, …) and how many may come at once.
struct TokenRate {
  std::uint64_t per_second = 0;
  std::uint64_t burst = 0;
};

/// A bucket that holds at most `burst` tokens and gains `per_second`. Both are held within 1 to kMost, so
/// that no product overflows: as bytes that is 137 Gb/s.
class TokenBucket {
 public:
  static constexpr std::uint64_t kMost = std::uint64_t{1} << 34;

  /// Full at `now`.
  TokenBucket(TokenRate rate, TimePoint now) noexcept
      : per_second_(std::clamp<std::uint64_t>(rate.per_second, 1, kMost)),
        burst_(std::clamp<std::uint64_t>(rate.burst, 1, kMost)),
        fill_nanoseconds_(burst_ * kSecond / per_second_ + 1),
        tokens_(burst_),
        filled_at_(now) {}

  /// Takes all of `tokens`, or none of them. More than the burst is never there.
  bool take(std::uint64_t tokens, TimePoint now) noexcept {
    if (available(now) < tokens) return false;
    tokens_ -= tokens;
    return true;
  }
  /// Takes as many of `tokens` as there are.
  std::uint64_t take_up_to(std::uint64_t tokens, TimePoint now) noexcept {
    const std::uint64_t taken = std::min(tokens, available(now));
    tokens_ -= taken;
    return taken;
  }
  /// Takes `tokens` whether they are there or not. How long until the debt that this leaves is paid.
  Duration charge(std::uint64_t tokens, TimePoint now) noexcept {
    available(now);
    // What was kept back for others while there was a debt stays theirs.
    const std::uint64_t there = debt_ == 0 ? std::min(tokens, tokens_) : 0;
    tokens_ -= there;
    debt_ += std::min(tokens - there, kMost - debt_);
    if (debt_ == 0) return Duration::zero();
    // Others' part fills up first. Rounded up; held within what does not overflow and a Duration takes.
    const std::uint64_t missing = std::min(debt_ + kept() - std::min(kept(), tokens_), kMost);
    const std::uint64_t nanoseconds = missing * kSecond / per_second_ + 1;
    return Duration(static_cast<Duration::rep>(std::min(nanoseconds, kLongestRest)));
  }
  /// Puts back what was taken and not used.
  void give_back(std::uint64_t tokens) noexcept { tokens_ += std::min(tokens, burst_ - tokens_); }

  /// The tokens at `now`. Time that runs backwards counts as standing still.
  std::uint64_t available(TimePoint now) noexcept {
    if (now <= filled_at_) return tokens_;
    const auto elapsed = static_cast<std::uint64_t>((now - filled_at_).count());
    filled_at_ = now;
    if (debt_ != 0) return pay(elapsed);
    // `burst_ * kSecond` is below 2^64; so is `elapsed * per_second_` as long as it fills less than that.
    if (elapsed >= fill_nanoseconds_) {
      tokens_ = burst_;
      part_ = 0;
      return tokens_;
    }
    const std::uint64_t gained = elapsed * per_second_ + part_;
    tokens_ = std::min(burst_, tokens_ + gained / kSecond);
    part_ = tokens_ == burst_ ? 0 : gained % kSecond;
    return tokens_;
  }
  bool full(TimePoint now) noexcept { return available(now) == burst_ && debt_ == 0; }
  std::uint64_t debt() const noexcept { return debt_; }

 private:
  static constexpr std::uint64_t kSecond = 1'000'000'000;
  static constexpr std::uint64_t kLongestRest = 3600 * kSecond;

  /// What others may have while there is a debt.
  std::uint64_t kept() const noexcept { return std::clamp<std::uint64_t>(per_second_ / 10, 1, burst_); }
  /// Half of what comes in pays the debt. The other half, up to kept(), is there to be taken, so that those
  /// who cannot go into debt are not left without.
  std::uint64_t pay(std::uint64_t elapsed) noexcept {
    constexpr std::uint64_t kLongest = std::uint64_t{1} << 29;  // seconds; no product overflows
    const std::uint64_t parts = elapsed % kSecond * per_second_ + part_;
    const std::uint64_t gained = std::min(elapsed / kSecond, kLongest) * per_second_ + parts / kSecond;
    part_ = parts % kSecond;
    // An odd token goes to the one and to the other in turn.
    const std::uint64_t half = gained / 2 + (gained % 2 != 0 && odd_ ? 1 : 0);
    odd_ = odd_ != (gained % 2 != 0);
    const std::uint64_t others = std::min(half, kept() - std::min(kept(), tokens_));
    tokens_ += others;
    const std::uint64_t left = gained - others;
    const std::uint64_t paid = std::min(left, debt_);
    debt_ -= paid;
    tokens_ += std::min(left - paid, burst_ - tokens_);
    return tokens_;
  }

  std::uint64_t per_second_;
  std::uint64_t burst_;
  std::uint64_t fill_nanoseconds_;  // from empty to full
  std::uint64_t tokens_;
  std::uint64_t part_ = 0;  // of a token, in units of 1 / kSecond
  std::uint64_t debt_ = 0;
  bool odd_ = false;
  TimePoint filled_at_;
};

}  // namespace ts
