// SPDX-License-Identifier: Apache-2.0
#include "dtls_set.hpp"

#include <algorithm>

namespace ts::net {
namespace {

constexpr std::size_t kKind = static_cast<std::size_t>(StreamKind::TurnDtls);
/// A session that was not used for so long gives its record buffers back.
constexpr std::chrono::seconds kQuiet{2};
/// No look comes sooner than this after the one before.
constexpr std::chrono::milliseconds kLeastWait{20};
/// RFC 6347 §4.2.2: a ClientHello, and the one that returns the cookie.
constexpr std::uint16_t kHelloWithCookie = 1;
constexpr std::size_t kRecordBytes = 16'384;

constexpr turn::Route kRoute = turn::Route{1} << 62;
constexpr std::uint32_t kGenerationMask = (1U << 30) - 1;

turn::Route route_of(SlotHandle handle) noexcept {
  return kRoute | (std::uint64_t{handle.generation & kGenerationMask} << 32) | handle.index;
}
SlotHandle handle_of(turn::Route route) noexcept {
  return {static_cast<std::uint32_t>(route), static_cast<std::uint32_t>(route >> 32) & kGenerationMask};
}

/// IPv6 users have a /64 each.
IpAddress holder(const IpAddress& client) noexcept {
  if (client.is_v4()) return client;
  std::array<std::uint8_t, 16> network{};
  std::copy_n(client.bytes().begin(), 8, network.begin());
  return IpAddress::from_bytes(network);
}

std::uint64_t seed(RandomSource& random) noexcept { return load_be64(random.bytes<8>().data()); }

}  // namespace

ByteView DatagramArena::keep(ByteView bytes) {
  if (chunks_.empty() || kChunkBytes - used_ < bytes.size()) {
    if (!chunks_.empty()) ++chunk_;
    used_ = 0;
    if (chunk_ >= chunks_.size()) chunks_.push_back(std::make_unique<std::uint8_t[]>(kChunkBytes));
  }
  std::uint8_t* to = chunks_[chunk_].get() + used_;
  std::copy(bytes.begin(), bytes.end(), to);
  used_ += bytes.size();
  return {to, bytes.size()};
}

DtlsSet::DtlsSet(const ShardSurroundings& surroundings, DatagramSink& sink, turn::Server& server,
                 turn::Outbox& outbox, Counters& counters)
    : surroundings_(surroundings),
      sink_(sink),
      server_(server),
      outbox_(outbox),
      counters_(counters),
      cookies_(surroundings.turn.random),
      wire_(*this),
      by_tuple_(0, Hash<turn::FiveTuple>{seed(surroundings.turn.random)}),
      held_(0, Hash<IpAddress>{seed(surroundings.turn.random)}) {}

DtlsSet::~DtlsSet() = default;

bool DtlsSet::received(Now now, std::size_t listener, const turn::FiveTuple& tuple, MutableBytes datagram) {
  const auto record = stun::parse_dtls_record(datagram);
  if (!record) return false;
  if (stun::begins_dtls_client_hello(*record)) {
    const auto parsed = stun::parse_dtls_client_hello(*record);
    if (parsed) hello(now, listener, tuple, *parsed, datagram.first(record->bytes));
    return parsed.has_value();
  }
  const auto found = by_tuple_.find(tuple);
  if (found == by_tuple_.end()) return false;
  feed(now, choose(found->second, *record), datagram);
  return true;
}

void DtlsSet::hello(Now now, std::size_t listener, const turn::FiveTuple& tuple,
                    const stun::DtlsClientHello& hello, ByteView record) {
  const bool returned =
      hello.message_sequence == kHelloWithCookie && cookies_.verify(now.mono, tuple.client, hello);
  if (!returned) {
    // A client that has been asked twice asks in vain; and of a fragment nothing is kept.
    if (!hello.whole || hello.message_sequence > kHelloWithCookie) return;
    std::array<std::uint8_t, stun::kMaxHelloVerifyRequestBytes> answer;
    const DtlsCookie cookie = cookies_.make(now.mono, tuple.client, hello);
    const std::size_t size = stun::write_hello_verify_request(answer, hello, cookie);
    sink_.send_datagram(listener, tuple, arena_.keep(ByteView(answer).first(size)), 0);
    return;
  }
  DtlsSession::Origin origin{listener, tuple, {}};
  std::copy(hello.cookie.begin(), hello.cookie.end(), origin.cookie.begin());
  const auto found = by_tuple_.find(tuple);
  if (found != by_tuple_.end()) {
    // The same ClientHello again: what answers it is sent again by the clock.
    for (const SlotHandle handle : {found->second.live, found->second.next}) {
      const DtlsSession* known = sessions_.find(handle);
      if (known != nullptr && known->origin().cookie == origin.cookie) return;
    }
  }
  begin(now, origin, record);
}

std::optional<StreamRefusal> DtlsSet::no_room_for(const IpAddress& client) const noexcept {
  const std::uint64_t streams = counters_.streams_open[static_cast<std::size_t>(StreamKind::TurnTcp)] +
                                counters_.streams_open[static_cast<std::size_t>(StreamKind::TurnTls)];
  const std::uint32_t most = surroundings_.max_streams;
  if (most != 0 && sessions_.size() + streams >= most) return StreamRefusal::Limit;
  const auto found = held_.find(holder(client));
  if (found == held_.end()) return std::nullopt;
  const Options& options = surroundings_.options;
  const auto reached = [](std::uint32_t count, std::uint32_t limit) { return limit != 0 && count >= limit; };
  if (reached(found->second.half_open, options.max_half_open_per_address) ||
      reached(found->second.sessions, options.max_streams_per_address)) {
    return StreamRefusal::AddressLimit;
  }
  return std::nullopt;
}

void DtlsSet::begin(Now now, const DtlsSession::Origin& origin, ByteView hello) {
  // Of two handshakes the client goes on with the newer one.
  if (const auto found = by_tuple_.find(origin.tuple); found != by_tuple_.end()) {
    const Pair pair = found->second;
    for (const SlotHandle handle : {pair.live, pair.next}) {
      const DtlsSession* old = sessions_.find(handle);
      if (old != nullptr && !old->is_established()) end(now, handle);
    }
  }
  stun::DtlsEarly none;
  if (stun::acceptable_dtls_bytes(hello, false, none) == 0) return refuse(StreamRefusal::TlsFailed);
  if (const auto refusal = no_room_for(origin.tuple.client.address)) return refuse(*refusal);
  TlsSession tls = surroundings_.tls->accept_datagrams();
  if (!tls) return refuse(StreamRefusal::AcceptFailed);
  const auto [handle, session] = sessions_.emplace(std::move(tls), wire_, origin);
  session.deadline = now.mono + surroundings_.options.handshake_timeout;
  Pair& pair = by_tuple_[origin.tuple];
  (sessions_.find(pair.live) == nullptr ? pair.live : pair.next) = handle;
  Held& held = held_[holder(origin.tuple.client.address)];
  ++held.sessions;
  ++held.half_open;
  const DtlsSession::Step step = session.begin(hello);
  if (step.status != DtlsSession::Status::Again) {
    refuse(StreamRefusal::TlsFailed);
    return end(now, handle);
  }
  await_retransmission(now.mono, handle, session);
}

SlotHandle DtlsSet::choose(const Pair& pair, const stun::DtlsRecord& record) noexcept {
  if (sessions_.find(pair.next) == nullptr) return pair.live;
  // The new association has sent nothing but its handshake yet; all else is of the old one.
  const bool handshaking = record.epoch == 0 || record.content == stun::DtlsContent::Handshake;
  return handshaking ? pair.next : pair.live;
}

void DtlsSet::feed(Now now, SlotHandle handle, MutableBytes datagram) {
  DtlsSession* session = sessions_.find(handle);
  if (session == nullptr || session->broken) return;
  const std::size_t taken = stun::acceptable_dtls_bytes(datagram, session->is_established(), session->early);
  if (taken == 0) return;
  session->offer(datagram.first(taken));
  if (!session->is_established()) {
    const DtlsSession::Step step = session->handshake();
    if (step.status == DtlsSession::Status::Again) return await_retransmission(now.mono, handle, *session);
    if (step.status != DtlsSession::Status::Done) {
      refuse(StreamRefusal::TlsFailed);
      return end(now, handle);
    }
    establish(now, handle, *session);
  }
  read_all(now, handle, *session, MutableBytes(datagram.data(), kRoomBytes));
}

void DtlsSet::establish(Now now, SlotHandle handle, DtlsSession& session) {
  --held_[holder(session.origin().tuple.client.address)].half_open;
  ++counters_.streams_accepted[kKind];
  ++counters_.streams_open[kKind];
  session.last_message = session.last_use = now.mono;
  look_at(handle, session, now.mono + kQuiet);
  // RFC 6347 §4.2.8: after a correct Finished the previous association is abandoned.
  const Pair pair = by_tuple_[session.origin().tuple];
  if (pair.next == handle) end(now, pair.live);
}

void DtlsSet::read_all(Now now, SlotHandle handle, DtlsSession& session, MutableBytes room) {
  turn::Inbound in{session.origin().tuple, route_of(handle), {}};
  const bool held = session.holds_buffers();
  while (room.size() >= kRecordBytes) {
    const DtlsSession::Step step = session.read(room);
    if (step.status == DtlsSession::Status::Done) {
      session.last_message = session.last_use = now.mono;
      in.bytes = room.first(step.bytes);
      room = room.subspan(step.bytes);
      server_.from_client(now, in, outbox_);
      continue;
    }
    if (step.status == DtlsSession::Status::Closed) session.close();
    if (step.status != DtlsSession::Status::Again) return end(now, handle);
    break;
  }
  if (!held) look_at(handle, session, now.mono + kQuiet);
}

void DtlsSet::send(TimePoint now, const turn::ToClient& transmit) {
  const SlotHandle handle = handle_of(transmit.route);
  DtlsSession* session = sessions_.find(handle);
  if (session == nullptr || session->broken || !session->is_established()) return;
  const bool held = session->holds_buffers();
  session->last_use = now;
  const DtlsSession::Step step = session->write(transmit.bytes);
  if (step.status != DtlsSession::Status::Done) ++counters_.udp_send_errors;
  // Not ended here: the Outbox is being emptied.
  session->broken = step.status == DtlsSession::Status::Failed || step.status == DtlsSession::Status::Closed;
  if (session->broken || !held) look_at(handle, *session, session->broken ? now : now + kQuiet);
}

void DtlsSet::write_datagram(const DtlsSession& session, ByteView bytes) {
  const DtlsSession::Origin& origin = session.origin();
  sink_.send_datagram(origin.listener, origin.tuple, arena_.keep(bytes), 0);
}

void DtlsSet::look_at(SlotHandle handle, DtlsSession& session, TimePoint when) {
  if (when >= session.looked_at) return;
  session.looked_at = when;
  deadlines_.push(when, handle);
}

void DtlsSet::await_retransmission(TimePoint now, SlotHandle handle, DtlsSession& session) {
  const Duration wait = session.until_retransmit().value_or(surroundings_.options.handshake_timeout);
  look_at(handle, session, std::min(session.deadline, now + std::max<Duration>(wait, kLeastWait)));
}

void DtlsSet::tick(Now now) {
  while (const auto handle = deadlines_.pop_due(now.mono)) {
    DtlsSession* session = sessions_.find(*handle);
    if (session == nullptr || session->looked_at > now.mono) continue;
    session->looked_at = TimePoint::max();
    look(now, *handle, *session);
  }
}

void DtlsSet::look(Now now, SlotHandle handle, DtlsSession& session) {
  if (session.broken) return end(now, handle);
  if (!session.is_established()) {
    const bool late = now.mono >= session.deadline;
    if (late || session.retransmit().status == DtlsSession::Status::Failed) {
      refuse(late ? StreamRefusal::HandshakeTimeout : StreamRefusal::TlsFailed);
      return end(now, handle);
    }
    return await_retransmission(now.mono, handle, session);
  }
  const Duration idle_timeout = std::max<Duration>(surroundings_.options.stream_idle_timeout, kLeastWait);
  const bool idle = now.mono - session.last_message >= idle_timeout;
  if (idle && !server_.has_allocation(session.origin().tuple)) {
    session.close();
    return end(now, handle);
  }
  if (session.holds_buffers() && now.mono - session.last_use >= kQuiet) session.release_buffers();
  const TimePoint idle_at = idle ? now.mono + idle_timeout : session.last_message + idle_timeout;
  const TimePoint quiet_at = std::max(session.last_use + kQuiet, now.mono + kLeastWait);
  look_at(handle, session, session.holds_buffers() ? std::min(idle_at, quiet_at) : idle_at);
}

void DtlsSet::end(Now now, SlotHandle handle) {
  const DtlsSession* session = sessions_.find(handle);
  if (session == nullptr) return;
  const turn::FiveTuple tuple = session->origin().tuple;
  const bool established = session->is_established();
  const auto held = held_.find(holder(tuple.client.address));
  if (!established) --held->second.half_open;
  if (--held->second.sessions == 0) held_.erase(held);
  if (established) {
    --counters_.streams_open[kKind];
    server_.client_closed(now, tuple, outbox_);
  }
  sessions_.erase(handle);
  const auto found = by_tuple_.find(tuple);
  Pair& pair = found->second;
  if (pair.live == handle) pair.live = std::exchange(pair.next, SlotHandle{});
  if (pair.next == handle) pair.next = SlotHandle{};
  if (sessions_.find(pair.live) == nullptr) by_tuple_.erase(found);
}

void DtlsSet::stop() {
  sessions_.for_each([&](SlotHandle, DtlsSession& session) {
    session.close();
    if (session.is_established()) --counters_.streams_open[kKind];
  });
  by_tuple_.clear();
  held_.clear();
  sessions_.for_each([&](SlotHandle handle, DtlsSession&) { sessions_.erase(handle); });
}

}  // namespace ts::net
