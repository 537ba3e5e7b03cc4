// SPDX-License-Identifier: Apache-2.0
#include "peer_streams.hpp"

#include <cerrno>

#include <sys/socket.h>

#include <turnstone/net/clock.hpp>

#include "socket_address.hpp"

namespace ts::net {
namespace {

/// Connections accepted in one callback at most, so that a storm does not hold up the shard.
constexpr int kMaxAccepts = 16;
constexpr int kBacklog = 64;
/// Without descriptors an accept fails at once, again and again: wait instead.
constexpr std::chrono::milliseconds kAcceptBackOff{200};
constexpr std::chrono::seconds kSweepPeriod{5};
/// A former connection between the same two ports may linger in the kernel (TIME-WAIT) for a second or so.
constexpr std::chrono::milliseconds kRetryPause{250};
constexpr int kMaxTries = 12;

/// Families beside each other: an allocation may have a relay of each.
std::uint64_t key_of(const turn::RelayId& relay) noexcept {
  return std::uint64_t{relay.allocation.index} << 1 | (relay.family == IpFamily::V6 ? 1U : 0U);
}

void turn_on(int descriptor, int level, int name) noexcept {
  const int on = 1;
  ::setsockopt(descriptor, level, name, &on, sizeof on);
}

/// A non-blocking TCP socket bound to a relayed transport address. `shared`: beside our listener there.
Descriptor bound_socket(const Endpoint& local, bool shared, int& error) noexcept {
  Descriptor out(::socket(family_of(local.address), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!out) {
    error = errno;
    return out;
  }
  if (local.address.is_v6()) turn_on(out.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  turn_on(out.get(), SOL_SOCKET, SO_REUSEADDR);
  if (shared) turn_on(out.get(), SOL_SOCKET, SO_REUSEPORT);
  sockaddr_storage address{};
  const socklen_t bytes = to_sockaddr(local, address);
  error = ::bind(out.get(), reinterpret_cast<const sockaddr*>(&address), bytes) == 0 ? 0 : errno;
  return out;
}

bool is_scarcity(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

tcp protocol_of(const Endpoint& endpoint) noexcept {
  return endpoint.address.is_v4() ? tcp::v4() : tcp::v6();
}

std::size_t index(StreamKind kind) noexcept { return static_cast<std::size_t>(kind); }

}  // namespace

PeerStreams::PeerStreams(asio::io_context& context, turn::Server& server, turn::Outbox& outbox,
                         Counters& counters, std::function<void()> flush)
    : context_(context),
      server_(server),
      outbox_(outbox),
      counters_(counters),
      flush_(std::move(flush)),
      read_buffer_(std::make_unique<std::uint8_t[]>(kReadBytes)),
      sweep_timer_(context) {}

std::optional<turn::RelayError> PeerStreams::open(const turn::OpenRelay& command) {
  using ::ts::turn::RelayError;
  int error = 0;
  // Bound alone, so that a port which another program has is noticed; shared from then on, since connections
  // to peers leave from the same port.
  Descriptor listener = bound_socket(command.local, false, error);
  if (error == 0 && ::listen(listener.get(), kBacklog) != 0) error = errno;
  if (error == EADDRINUSE) return RelayError::AddressInUse;
  if (error != 0) return RelayError::NoResources;
  turn_on(listener.get(), SOL_SOCKET, SO_REUSEPORT);
  const auto relay = std::make_shared<Relay>(context_, command.relay, command.local);
  error_code failed;
  relay->acceptor.assign(protocol_of(command.local), listener.get(), failed);
  if (failed) return RelayError::NoResources;
  listener.release();
  relays_[key_of(command.relay)] = relay;
  wait_for_peers(relay);
  return std::nullopt;
}

void PeerStreams::close(const turn::RelayId& id) noexcept {
  const auto found = relays_.find(key_of(id));
  if (found == relays_.end() || found->second->relay != id) return;
  error_code ignored;
  found->second->acceptor.close(ignored);
  found->second->pause.cancel();
  relays_.erase(found);
}

void PeerStreams::wait_for_peers(const std::shared_ptr<Relay>& relay) {
  relay->acceptor.async_wait(tcp::acceptor::wait_read, [this, relay](const error_code& error) {
    if (error || stopped_ || !relay->acceptor.is_open()) return;
    const bool more = accept_peers(*relay);
    flush_();  // which may close this relay
    if (!relay->acceptor.is_open()) return;
    if (more) return wait_for_peers(relay);
    relay->pause.expires_after(kAcceptBackOff);
    relay->pause.async_wait([this, relay](const error_code& cancelled) {
      if (!cancelled && !stopped_ && relay->acceptor.is_open()) wait_for_peers(relay);
    });
  });
}

bool PeerStreams::accept_peers(Relay& relay) {
  for (int accepted = 0; accepted < kMaxAccepts; ++accepted) {
    sockaddr_storage address{};
    socklen_t bytes = sizeof address;
    Descriptor peer(::accept4(relay.acceptor.native_handle(), reinterpret_cast<sockaddr*>(&address), &bytes,
                              SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!peer) return !is_scarcity(errno);
    const Endpoint remote = from_sockaddr(address);
    const auto id = server_.peer_accepted(now(), relay.relay, remote, outbox_);
    if (!id) continue;
    tcp::socket socket(context_);
    error_code failed;
    socket.assign(protocol_of(remote), peer.get(), failed);
    if (!failed) peer.release();
    add(*id, std::move(socket), relay.local, remote);
  }
  return true;
}

void PeerStreams::connect(const turn::ConnectPeer& command) {
  const auto attempt = std::make_shared<Attempt>(context_, command);
  attempts_[command.connection] = attempt;
  // Not from within a flush: what comes of it is told to the server.
  asio::post(context_, [this, attempt] { try_to_connect(attempt); });
}

void PeerStreams::try_to_connect(const std::shared_ptr<Attempt>& attempt) {
  const auto current = attempts_.find(attempt->command.connection);
  if (stopped_ || current == attempts_.end() || current->second != attempt) return;
  ++attempt->tries;
  int error = 0;
  Descriptor descriptor = bound_socket(attempt->command.local, true, error);
  if (error != 0) return tried(attempt, error);
  sockaddr_storage address{};
  const socklen_t bytes = to_sockaddr(attempt->command.peer, address);
  if (::connect(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), bytes) != 0) error = errno;
  if (error != 0 && error != EINPROGRESS) return tried(attempt, error);
  error_code failed;
  attempt->socket.assign(protocol_of(attempt->command.peer), descriptor.get(), failed);
  if (failed) return tried(attempt, ENOMEM);
  descriptor.release();
  attempt->socket.async_wait(tcp::socket::wait_write, [this, attempt](const error_code& cancelled) {
    if (cancelled || stopped_) return;
    int outcome = 0;
    socklen_t size = sizeof outcome;
    ::getsockopt(attempt->socket.native_handle(), SOL_SOCKET, SO_ERROR, &outcome, &size);
    tried(attempt, outcome);
  });
}

void PeerStreams::tried(const std::shared_ptr<Attempt>& attempt, int error) {
  const turn::ConnectPeer& command = attempt->command;
  const auto current = attempts_.find(command.connection);
  if (current == attempts_.end() || current->second != attempt) return;
  if (error == EADDRNOTAVAIL && attempt->tries < kMaxTries) {
    error_code ignored;
    attempt->socket.close(ignored);
    attempt->retry.expires_after(kRetryPause);
    attempt->retry.async_wait([this, attempt](const error_code& cancelled) {
      if (!cancelled) try_to_connect(attempt);
    });
    return;
  }
  attempts_.erase(current);
  if (error == 0) {
    add(command.connection, std::move(attempt->socket), command.local, command.peer);
    server_.peer_connected(now(), command.connection, outbox_);
  } else {
    using ::ts::turn::ConnectError;
    const ConnectError why = is_scarcity(error) ? ConnectError::NoResources : ConnectError::Refused;
    server_.peer_connect_failed(now(), command.connection, why, outbox_);
  }
  flush_();
}

void PeerStreams::add(turn::ConnectionId id, tcp::socket socket, const Endpoint& local,
                      const Endpoint& peer) {
  connections_[id] = std::make_shared<DataConnection>(id, Stream(std::move(socket), local, peer), *this);
  ++counters_.streams_accepted[index(StreamKind::PeerTcp)];
  ++counters_.streams_open[index(StreamKind::PeerTcp)];
  sweep_later();
}

void PeerStreams::bind(turn::ConnectionId id, std::optional<MovedStream> client) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;  // closed in the same turn; so is the client's stream, here
  const std::shared_ptr<DataConnection> connection = found->second;
  if (!client) {
    connection->close();
    return ended(*connection);
  }
  connection->bind(context_, *std::move(client));
  ++counters_.streams_open[index(connection->is_tls() ? StreamKind::TurnTls : StreamKind::TurnTcp)];
}

void PeerStreams::forget(const DataConnection& connection) noexcept {
  --counters_.streams_open[index(StreamKind::PeerTcp)];
  if (connection.is_bound())
    --counters_.streams_open[index(connection.is_tls() ? StreamKind::TurnTls : StreamKind::TurnTcp)];
  connections_.erase(connection.id());
}

void PeerStreams::close(turn::ConnectionId id) noexcept {
  if (const auto attempt = attempts_.find(id); attempt != attempts_.end()) {
    error_code ignored;
    attempt->second->socket.close(ignored);
    attempt->second->retry.cancel();
    attempts_.erase(attempt);
  }
  if (const auto found = connections_.find(id); found != connections_.end()) {
    const std::shared_ptr<DataConnection> connection = found->second;
    connection->close();
    forget(*connection);
  }
}

turn::Pace PeerStreams::relayed(const DataConnection& connection, bool to_peer, std::size_t size) {
  const Now moment = now();
  const turn::Pace pace = server_.data_relayed(moment, connection.id(), to_peer, size);
  if (pace.resume_at > moment.mono) {
    ++counters_.data_pauses;
    counters_.data_pause_nanoseconds += static_cast<std::uint64_t>((pace.resume_at - moment.mono).count());
  }
  return pace;
}

void PeerStreams::ended(DataConnection& connection) {
  server_.connection_closed(connection.id());
  forget(connection);
}

void PeerStreams::sweep_later() {
  if (sweeping_ || stopped_) return;
  sweeping_ = true;
  sweep_timer_.expires_after(kSweepPeriod);
  sweep_timer_.async_wait([this](const error_code& error) {
    sweeping_ = false;
    if (error || stopped_) return;
    const TimePoint moment = now().mono;
    std::vector<std::shared_ptr<DataConnection>> all;
    all.reserve(connections_.size());
    for (const auto& [id, connection] : connections_) all.push_back(connection);
    for (const auto& connection : all) connection->close_if_late(moment);
    if (!connections_.empty()) sweep_later();
  });
}

void PeerStreams::stop() noexcept {
  stopped_ = true;
  error_code ignored;
  sweep_timer_.cancel();
  for (const auto& [key, relay] : relays_) {
    relay->acceptor.close(ignored);
    relay->pause.cancel();
  }
  for (const auto& [id, attempt] : attempts_) {
    attempt->socket.close(ignored);
    attempt->retry.cancel();
  }
  for (const auto& [id, connection] : connections_) connection->close();
  relays_.clear();
  attempts_.clear();
  connections_.clear();
}

}  // namespace ts::net
