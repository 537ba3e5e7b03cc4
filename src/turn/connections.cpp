// SPDX-License-Identifier: Apache-2.0
// Life of peer data connections (RFC 6062 §5): their names, what the shell says of them, and their end.
#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/builder.hpp>

#include "peer_connection.hpp"
#include "request.hpp"

namespace ts::turn {

using stun::AttributeType;

namespace {

/// Bits of a ConnectionId below the shard's number.
constexpr unsigned kRandomBits = 24;

std::optional<ConnectionId> named_in(const stun::MessageView& message) noexcept {
  const auto value = message.find(AttributeType::ConnectionId);
  return value ? stun::decode_u32(*value) : std::nullopt;
}

}  // namespace

PeerConnection* Server::connection_named_in(const stun::MessageView& message) noexcept {
  const auto id = named_in(message);
  const auto found = id ? connections_.find(*id) : connections_.end();
  return found != connections_.end() ? found->second.get() : nullptr;
}

Allocation* Server::claimed_allocation(const Request& r) noexcept {
  if (r.kind != RequestKind::ConnectionBind) return find(r.in.tuple);
  const PeerConnection* connection = connection_named_in(r.message);
  return connection != nullptr ? allocations_.find(connection->allocation) : nullptr;
}

bool Server::handed_over(const Request& r) {
  // Who authenticates is the shard that has the connection. A control connection stays with its allocation.
  if (r.kind != RequestKind::ConnectionBind || shard_count_ <= 1) return false;
  if (!is_stream(r.in.tuple.transport) || has_allocation(r.in.tuple)) return false;
  const auto id = named_in(r.message);
  if (!id) return false;
  const auto shard = static_cast<std::uint8_t>(*id >> kRandomBits);
  if (shard == shard_ || shard >= shard_count_) return false;
  r.out.hand_overs.push_back(HandOver{r.in.route, shard});
  return true;
}

bool Server::has_connection_to(const Allocation& allocation, const Endpoint& peer) noexcept {
  return std::any_of(allocation.connections.begin(), allocation.connections.end(), [&](ConnectionId id) {
    const auto found = connections_.find(id);
    return found != connections_.end() && found->second->peer == peer;
  });
}

PeerConnection& Server::add_connection(SlotHandle handle, Allocation& allocation, const Endpoint& peer) {
  ConnectionId id = 0;
  do {
    const std::uint32_t drawn = load_be32(random_.bytes<4>().data());
    id = ConnectionId{shard_} << kRandomBits | drawn >> (32 - kRandomBits);
  } while (connections_.contains(id));
  auto made = std::make_unique<PeerConnection>();
  PeerConnection& connection = *made;
  connection.id = id;
  connection.allocation = handle;
  connection.peer = peer;
  connections_.emplace(id, std::move(made));
  allocation.connections.push_back(id);
  return connection;
}

void Server::connection_closed(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  if (Allocation* allocation = allocations_.find(found->second->allocation)) {
    std::erase(allocation->connections, id);
  }
  connections_.erase(found);
}

void Server::drop_connection(ConnectionId id, Outbox& out) {
  out.close_connections.push_back(CloseConnection{id});
  connection_closed(id);
}

void Server::drop_connections(Allocation& allocation, Outbox& out) {
  // RFC 6062 §5.5: the allocation's end is theirs too.
  while (!allocation.connections.empty()) drop_connection(allocation.connections.back(), out);
  std::vector<ConnectionId>().swap(allocation.connections);
}

TimePoint Server::sweep_connections(Allocation& allocation, TimePoint now, Outbox& out) {
  TimePoint next = TimePoint::max();
  for (std::size_t i = allocation.connections.size(); i-- > 0;) {
    const PeerConnection& connection = *connections_.find(allocation.connections[i])->second;
    if (connection.state == PeerConnection::State::Bound) continue;
    if (now < connection.deadline) {
      next = std::min(next, connection.deadline);
      continue;
    }
    if (connection.state == PeerConnection::State::Connecting) {
      answer_connect(connection, stun::ErrorCode::ConnectionTimeoutOrFailure, out);
    }
    drop_connection(connection.id, out);
  }
  return next;
}

void Server::answer_connect(const PeerConnection& connection, std::optional<stun::ErrorCode> error,
                            Outbox& out) {
  const Allocation& allocation = *allocations_.find(connection.allocation);
  ++counters_.requests[index(RequestKind::Connect)][index(error ? outcome_of(*error) : Outcome::Success)];
  stun::MessageBuilder builder(
      out.reserve(ResponseWriter::kRoom),
      error ? stun::MessageClass::ErrorResponse : stun::MessageClass::SuccessResponse, stun::Method::Connect,
      connection.asked_by);
  if (error) {
    builder.add_error(*error);
  } else {
    builder.add_u32(AttributeType::ConnectionId, connection.id);
  }
  connection.key.sign(builder);
  if (connection.answers_with_fingerprint) builder.add_fingerprint();
  const ByteView bytes = builder.finish();
  out.commit(bytes.size());
  out.to_clients.push_back(ToClient{allocation.route, allocation.tuple, bytes, false});
}

void Server::peer_connected(Now now, ConnectionId id, Outbox& out) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) {  // given up meanwhile: nobody wants it
    out.close_connections.push_back(CloseConnection{id});
    return;
  }
  PeerConnection& connection = *found->second;
  Allocation& allocation = *allocations_.find(connection.allocation);
  if (connection.state != PeerConnection::State::Connecting || now.mono >= allocation.expires) return;
  connection.state = PeerConnection::State::Pending;
  connection.deadline = now.mono + options_.connection_bind_timeout;
  look_again_at(connection.allocation, allocation, connection.deadline);
  answer_connect(connection, std::nullopt, out);
}

void Server::peer_connect_failed(Now now, ConnectionId id, ConnectError error, Outbox& out) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  const PeerConnection& connection = *found->second;
  const Allocation& allocation = *allocations_.find(connection.allocation);
  if (connection.state != PeerConnection::State::Connecting || now.mono >= allocation.expires) return;
  answer_connect(connection,
                 error == ConnectError::Refused ? stun::ErrorCode::ConnectionTimeoutOrFailure
                                                : stun::ErrorCode::InsufficientCapacity,
                 out);
  connection_closed(id);
}

std::optional<ConnectionId> Server::peer_accepted(Now now, const RelayId& relay, const Endpoint& peer,
                                                  Outbox& out) {
  Allocation* allocation = allocations_.find(relay.allocation);
  const auto refuse = [this](Drop why) {
    drop(why);
    return std::nullopt;
  };
  if (allocation == nullptr || now.mono >= allocation->expires) return refuse(Drop::NoAllocation);
  if (!allocation->permits(peer.address, now.mono)) return refuse(Drop::NoPermission);
  if (policy_.check(peer) || denied_by_credential(*allocation, peer.address)) return refuse(Drop::PeerDenied);
  const std::size_t most = options_.max_connections_per_allocation;
  if (most != 0 && allocation->connections.size() >= most) {
    ++counters_.denials[index(Denial::QuotaConnections)];
    return std::nullopt;
  }
  PeerConnection& connection = add_connection(relay.allocation, *allocation, peer);
  connection.state = PeerConnection::State::Pending;
  connection.deadline = now.mono + options_.connection_bind_timeout;
  look_again_at(relay.allocation, *allocation, connection.deadline);

  stun::TransactionId id;
  random_.fill(id);
  stun::MessageBuilder builder(out.reserve(ResponseWriter::kRoom), stun::MessageClass::Indication,
                               stun::Method::ConnectionAttempt, id);
  builder.add_u32(AttributeType::ConnectionId, connection.id)
      .add_xor_address(AttributeType::XorPeerAddress, peer);
  if (allocation->answers_with_fingerprint) builder.add_fingerprint();
  const ByteView bytes = builder.finish();
  out.commit(bytes.size());
  out.to_clients.push_back(ToClient{allocation->route, allocation->tuple, bytes, false});
  return connection.id;
}

Pace Server::data_relayed(Now now, ConnectionId id, bool to_peer, std::size_t size) {
  const auto found = connections_.find(id);
  Allocation* allocation =
      found != connections_.end() ? allocations_.find(found->second->allocation) : nullptr;
  if (allocation == nullptr) return {};
  if (size != 0) {
    const std::size_t transport = index(allocation->tuple.transport);
    (to_peer ? allocation->to_peer : allocation->to_client).add(size);
    (to_peer ? counters_.to_peer : counters_.to_client)[transport].add(size);
  }
  return allocation->limits != nullptr ? allocation->limits->charge(size, now.mono, ledger_) : Pace{};
}

}  // namespace ts::turn
