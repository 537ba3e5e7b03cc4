// SPDX-License-Identifier: Apache-2.0
#include "limits.hpp"

#include <algorithm>
#include <utility>

namespace ts::turn {
namespace {

/// A second's worth at once, and never less than the largest datagram.
constexpr std::uint64_t kLeastByteBurst = 65'536;
constexpr std::uint64_t kLeastPacketBurst = 16;

TokenRate rate_of(std::uint64_t per_second, std::uint64_t least_burst) noexcept {
  return {per_second, std::max(per_second, least_burst)};
}

/// A read of a stream takes what the lowest rate gives in 50 ms: small enough that the rest behind it is
/// short, and not so small that the calls cost more than the bytes.
constexpr std::uint64_t kReadsPerSecond = 20;
constexpr std::uint64_t kLeastReadBytes = 1024;

/// 0: no limit.
constexpr std::uint64_t bytes_of(std::uint64_t bits_per_second) noexcept {
  return bits_per_second == 0 ? 0 : std::max<std::uint64_t>(bits_per_second / 8, 1);
}

}  // namespace

bool Share::renew(std::uint64_t wanted, TimePoint now, Ledger& ledger) {
  const std::uint64_t least = wanted - tokens;
  const std::uint64_t asked = std::max(quantum, least);
  const std::uint64_t granted = ledger.lease(budget, least, asked, now);
  tokens += granted;
  if (granted < asked) ask_at = now + kLeaseTime;
  return tokens >= wanted;
}

Share* Shares::join(const std::string& name, TokenRate rate, TimePoint now) {
  const auto [at, made] = shares_.try_emplace(name);
  Share& share = at->second;
  if (made) {
    share.budget = ledger_.join_budget(name, rate, now);
    const auto parts = static_cast<std::uint64_t>(std::chrono::seconds(1) / Share::kLeaseTime);
    share.quantum = std::max<std::uint64_t>(rate.per_second / parts, 1);
  }
  ++share.users;
  return &share;
}

void Shares::leave(const std::string& name) {
  const auto found = shares_.find(name);
  if (found == shares_.end() || --found->second.users != 0) return;
  ledger_.leave_budget(found->second.budget, found->second.tokens);
  shares_.erase(found);
}

Limits::Shared Limits::join(std::string name, std::uint64_t per_second, std::uint64_t least_burst,
                            Shares& shares, TimePoint now) {
  Share* share = shares.join(name, rate_of(per_second, least_burst), now);
  return Shared{std::move(name), share};
}

std::unique_ptr<Limits> Limits::make(const Options& options, const auth::Policy* policy,
                                     std::string_view username, std::string_view account, Shares& shares,
                                     TimePoint now) {
  const std::uint64_t credential_bits = policy != nullptr ? policy->max_bits_per_second : 0;
  const std::uint32_t credential_packets = policy != nullptr ? policy->max_packets_per_second : 0;
  const bool none = options.max_bits_per_second_per_allocation == 0 &&
                    options.max_packets_per_second_per_allocation == 0 &&
                    options.max_bits_per_second_per_user == 0 && options.max_bits_per_second == 0 &&
                    credential_bits == 0 && credential_packets == 0;
  if (none) return nullptr;

  auto out = std::make_unique<Limits>();
  const auto own = [&](std::optional<TokenBucket>& bucket, std::uint64_t rate, std::uint64_t least_burst) {
    if (rate != 0) bucket.emplace(rate_of(rate, least_burst), now);
  };
  const auto shared = [&](Shared& at, std::string name, std::uint64_t rate, std::uint64_t least_burst) {
    if (rate != 0) at = join(std::move(name), rate, least_burst, shares, now);
  };
  const std::uint64_t own_bytes = bytes_of(options.max_bits_per_second_per_allocation);
  const std::uint64_t credential_bytes = bytes_of(credential_bits);
  const std::uint64_t user_bytes = bytes_of(options.max_bits_per_second_per_user);
  const std::uint64_t total_bytes = bytes_of(options.max_bits_per_second);
  own(out->bytes_, own_bytes, kLeastByteBurst);
  own(out->packets_, options.max_packets_per_second_per_allocation, kLeastPacketBurst);
  // The first character keeps the names of different things apart.
  shared(out->credential_bytes_, "b" + std::string(username), credential_bytes, kLeastByteBurst);
  shared(out->credential_packets_, "p" + std::string(username), credential_packets, kLeastPacketBurst);
  shared(out->user_bytes_, "u" + std::string(account), user_bytes, kLeastByteBurst);
  shared(out->total_bytes_, "t", total_bytes, kLeastByteBurst);
  for (const std::uint64_t rate : {own_bytes, credential_bytes, user_bytes, total_bytes})
    out->bound_reads(rate);
  for (const std::uint64_t rate : {options.max_packets_per_second_per_allocation, credential_packets})
    out->bound_reads(rate * kPacketBytes);
  return out;
}

void Limits::bound_reads(std::uint64_t bytes_per_second) noexcept {
  if (bytes_per_second == 0) return;
  const std::uint64_t part = std::max(bytes_per_second / kReadsPerSecond, kLeastReadBytes);
  read_bytes_ = static_cast<std::size_t>(std::min<std::uint64_t>(part, read_bytes_));
}

void Limits::go_on_from(const Limits& former) {
  if (bytes_ && former.bytes_) bytes_ = former.bytes_;
  if (packets_ && former.packets_) packets_ = former.packets_;
}

void Limits::release(Shares& shares) {
  for (Shared* shared : {&credential_bytes_, &credential_packets_, &user_bytes_, &total_bytes_}) {
    if (shared->share != nullptr) shares.leave(shared->name);
    shared->share = nullptr;
  }
}

std::optional<Drop> Limits::refuse(std::size_t bytes, TimePoint now, Ledger& ledger) {
  // All are looked at before any is charged: what one limit drops does not use up another one.
  const auto lacks = [&](const Shared& shared, std::uint64_t tokens) {
    return shared.share != nullptr && !shared.share->has(tokens, now, ledger);
  };
  if (packets_ && packets_->available(now) < 1) return Drop::PacketRate;
  if (lacks(credential_packets_, 1)) return Drop::PacketRate;
  if (bytes_ && bytes_->available(now) < bytes) return Drop::BitRate;
  if (lacks(credential_bytes_, bytes) || lacks(user_bytes_, bytes) || lacks(total_bytes_, bytes))
    return Drop::BitRate;

  if (packets_) packets_->take(1, now);
  if (bytes_) bytes_->take(bytes, now);
  const auto spend = [](const Shared& shared, std::uint64_t tokens) {
    if (shared.share != nullptr) shared.share->tokens -= tokens;
  };
  spend(credential_packets_, 1);
  for (const Shared* shared : {&credential_bytes_, &user_bytes_, &total_bytes_}) spend(*shared, bytes);
  return std::nullopt;
}

Pace Limits::charge(std::size_t bytes, TimePoint now, Ledger& ledger) {
  Duration rest = Duration::zero();
  const auto own = [&](std::optional<TokenBucket>& bucket, std::uint64_t tokens) {
    if (bucket) rest = std::max(rest, bucket->charge(tokens, now));
  };
  // Not out of the shard's share, which is leased for datagrams: they cannot wait.
  const auto shared = [&](const Shared& of, std::uint64_t tokens) {
    if (of.share != nullptr) rest = std::max(rest, ledger.charge(of.share->budget, tokens, now));
  };
  const std::uint64_t packets = (bytes + kPacketBytes - 1) / kPacketBytes;
  own(packets_, packets);
  shared(credential_packets_, packets);
  own(bytes_, bytes);
  for (const Shared* of : {&credential_bytes_, &user_bytes_, &total_bytes_}) shared(*of, bytes);
  return {rest > Duration::zero() ? now + rest : TimePoint::min(), read_bytes_};
}

bool take_new_peers(TimePoint& paid_until, std::size_t count, const Options& options,
                    TimePoint now) noexcept {
  const std::uint32_t rate = options.max_new_peers_per_second;
  if (rate == 0 || count == 0) return true;
  // Five seconds' worth at once, and room for a browser that names all candidates of a large call; what the
  // allocation may hold at all anyway.
  constexpr std::uint64_t kBurstSeconds = 5;
  constexpr std::uint64_t kLeastBurst = 64;
  const std::uint64_t burst = std::max({std::uint64_t{rate} * kBurstSeconds, kLeastBurst,
                                        std::uint64_t{options.max_permissions_per_allocation}});
  if (count > burst) return false;
  const Duration each = Duration(std::chrono::seconds(1)) / rate;
  const TimePoint from = std::max(paid_until, now - each * static_cast<std::int64_t>(burst));
  const TimePoint to = from + each * static_cast<std::int64_t>(count);
  if (to > now) return false;
  paid_until = to;
  return true;
}

}  // namespace ts::turn
