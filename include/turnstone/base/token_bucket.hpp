// SPDX-License-Identifier: Apache-2.0
// TokenBucket: how much may pass in a time. Exact integer arithmetic; time is an argument.
#pragma once

#include <algorithm>
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
  /// Puts back what was taken and not used.
  void give_back(std::uint64_t tokens) noexcept { tokens_ += std::min(tokens, burst_ - tokens_); }

  /// The tokens at `now`. Time that runs backwards counts as standing still.
  std::uint64_t available(TimePoint now) noexcept {
    if (now <= filled_at_) return tokens_;
    const auto elapsed = static_cast<std::uint64_t>((now - filled_at_).count());
    filled_at_ = now;
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
  bool full(TimePoint now) noexcept { return available(now) == burst_; }

 private:
  static constexpr std::uint64_t kSecond = 1'000'000'000;

  std::uint64_t per_second_;
  std::uint64_t burst_;
  std::uint64_t fill_nanoseconds_;  // from empty to full
  std::uint64_t tokens_;
  std::uint64_t part_ = 0;  // of a token, in units of 1 / kSecond
  TimePoint filled_at_;
};

}  // namespace ts
