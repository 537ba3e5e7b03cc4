// SPDX-License-Identifier: Apache-2.0
// Mobility (RFC 8016) between shards: the allocation stays where it is until its client speaks on its new
// five-tuple, then it goes over with its relay sockets.
#include "mobility.hpp"
#include "request.hpp"

namespace ts::turn {
namespace {

using stun::AttributeType;

/// What may wait for an allocation that is on its way; more is lost, as datagrams may be.
constexpr std::size_t kMaxWaitingMessages = 64;
constexpr std::size_t kMaxWaitingBytes = 65'536;
/// Visitors that never spoke are looked for once there are so many, and more than the second number there are
/// not.
constexpr std::size_t kManyVisitors = 1024;
constexpr std::size_t kMaxVisitors = 65'536;

}  // namespace

void FreeAllocation::operator()(Allocation* allocation) const noexcept { delete allocation; }

void Server::hand_over(SlotHandle handle, const MobilePath& to, std::uint64_t id, Outbox& out) {
  Letter letter;
  letter.kind = Letter::Kind::Arrival;
  letter.from = shard_;
  letter.to = to.shard;
  letter.id = id;
  letter.tuple = to.tuple;
  letter.route = to.route;
  letter.departed = handle;
  Allocation& allocation = *allocations_.find(handle);
  end_flows(handle, allocation, std::nullopt, out);
  forget_paths(handle, allocation);
  --counters_.allocations[index(allocation.tuple.transport)];
  counters_.permissions -= allocation.permissions.size();
  counters_.channels -= allocation.channels.size();
  leave_shares(allocation);
  leave_member(handle, allocation);
  letter.allocation.reset(new Allocation(std::move(allocation)));
  allocations_.erase(handle);
  tidy_deadlines();
  out.letters.push_back(std::move(letter));
}

std::optional<SlotHandle> Server::receive(Now now, Letter& letter, Outbox& out) {
  switch (letter.kind) {
    case Letter::Kind::Query: {
      Letter reply = move(now, letter, out);
      reply.request = std::move(letter.request);
      out.letters.push_back(std::move(reply));
      // Nobody is left on the old five-tuple: the allocation follows at once.
      SlotHandle handle;
      const Allocation* allocation = find_mobile(letter.id, now.mono, handle);
      if (allocation != nullptr && allocation->mobility->detached && allocation->mobility->next)
        hand_over(handle, MobilePath(*allocation->mobility->next), letter.id, out);
      return std::nullopt;
    }
    case Letter::Kind::Reply: move_answered(now, letter, out); return std::nullopt;
    case Letter::Kind::Fetch: {
      SlotHandle handle;
      Allocation* allocation = find_mobile(letter.id, now.mono, handle);
      const auto next = allocation != nullptr ? allocation->mobility->next : std::nullopt;
      if (next && next->shard == letter.from && next->tuple == letter.tuple) {
        hand_over(handle, *next, letter.id, out);
      } else {
        out.letters.push_back(letter.answer(Letter::Kind::Arrival));
      }
      return std::nullopt;
    }
    case Letter::Kind::Arrival: return arrive(now, letter, out);
  }
  return std::nullopt;
}

void Server::move_answered(Now now, const Letter& reply, Outbox& out) {
  const auto message = stun::MessageView::parse(reply.request);
  if (!message) return;
  const Inbound in{reply.tuple, reply.route, reply.request};
  Request r{now, in, *message, out, RequestKind::Refresh, {}, {}, nullptr, {}, {}, {}, nullptr};
  // The key is needed again. What has become of the credentials meanwhile decides, as for any request.
  if (!authenticate(r)) return;
  if (by_tuple_.contains(reply.tuple)) return respond_error(r, stun::ErrorCode::AllocationMismatch);
  if (!reply.error && !reply.ticket.empty()) {
    if (visitors_.size() >= kManyVisitors)
      boost::unordered::erase_if(visitors_, [&](const auto& v) { return v.second.expires <= now.mono; });
    if (visitors_.size() >= kMaxVisitors) return respond_error(r, stun::ErrorCode::InsufficientCapacity);
    Visitor& visitor = visitors_[reply.tuple];
    if (visitor.id != reply.id) visitor = Visitor{};
    visitor.id = reply.id;
    visitor.route = reply.route;
    // 0: one of two relayed addresses has ended, the other one lives on.
    visitor.expires = now.mono + (reply.lifetime_seconds != 0 ? std::chrono::seconds(reply.lifetime_seconds)
                                                              : options_.default_lifetime);
  }
  answer_move(r, reply);
}

bool Server::visit(Now now, const Inbound& in, Outbox& out) {
  const auto found = visitors_.find(in.tuple);
  if (found == visitors_.end()) return false;
  Visitor& visitor = found->second;
  if (visitor.expires <= now.mono) {
    visitors_.erase(found);
    return false;
  }
  if (in.bytes[0] < 4) {
    // Binding says nothing about the allocation, and a Refresh with a ticket is a retransmission or a move.
    const auto message = stun::MessageView::parse(in.bytes);
    if (!message || message->method() == stun::Method::Binding ||
        message->find(AttributeType::MobilityTicket))
      return false;
  }
  if (!visitor.fetching) {
    const auto place = ledger_.place_of(visitor.id);
    if (!place || place->shard == shard_) {
      visitors_.erase(found);
      return false;
    }
    visitor.fetching = true;
    Letter fetch;
    fetch.kind = Letter::Kind::Fetch;
    fetch.from = shard_;
    fetch.to = place->shard;
    fetch.id = visitor.id;
    fetch.tuple = in.tuple;
    out.letters.push_back(std::move(fetch));
  }
  const bool room = visitor.waiting.size() < kMaxWaitingMessages &&
                    visitor.waiting_bytes + in.bytes.size() <= kMaxWaitingBytes;
  if (!room) {
    drop(Drop::QueueFull);
    return true;
  }
  visitor.waiting_bytes += in.bytes.size();
  visitor.waiting.emplace_back(in.bytes.begin(), in.bytes.end());
  return true;
}

std::optional<SlotHandle> Server::arrive(Now now, Letter& letter, Outbox& out) {
  const auto visitor = visitors_.find(letter.tuple);
  const bool awaited = visitor != visitors_.end() && visitor->second.id == letter.id;
  const Route route = awaited ? visitor->second.route : letter.route;
  if (awaited) {
    letter.waiting = std::move(visitor->second.waiting);
    visitors_.erase(visitor);
  }
  std::optional<SlotHandle> adopted;
  if (letter.allocation) {
    const auto [handle, allocation] = allocations_.emplace(std::move(*letter.allocation));
    letter.allocation.reset();
    adopted = handle;
    allocation.tuple = letter.tuple;
    allocation.route = route;
    allocation.mobility->next.reset();
    // A stream that has ended meanwhile: the client may come back with its ticket.
    allocation.mobility->detached = !awaited;
    if (!awaited) allocation.expires = std::min(allocation.expires, now.mono + kDetachedLife);
    ledger_.set_place(letter.id, Place{shard_, handle});
    ++counters_.allocations[index(allocation.tuple.transport)];
    counters_.permissions += allocation.permissions.size();
    counters_.channels += allocation.channels.size();
    if (awaited) by_tuple_.insert_or_assign(letter.tuple, handle);
    allocation.look_at = TimePoint::max();
    look_again_at(handle, allocation, now.mono);
    join_shares(allocation, now.mono);
    come_to_member(handle, allocation);
    confine(handle, allocation, now.mono, out);
    tell_flows(handle, allocation, now.mono, out);
    // Both shards were told of a revocation while the allocation was on its way between them.
    const Bearer bearer{allocation.username, allocation.account, allocation.policy.get()};
    if (revocations_.matches(bearer, now.wall)) end(handle, EndReason::Revoked, now, out);
  }
  for (const auto& bytes : letter.waiting) from_client(now, Inbound{letter.tuple, route, bytes}, out);
  return adopted;
}

}  // namespace ts::turn
