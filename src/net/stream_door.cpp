// SPDX-License-Identifier: Apache-2.0
#include "stream_door.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <turnstone/base/proxy_header.hpp>
#include <turnstone/net/clock.hpp>
#include <turnstone/stun/demux.hpp>

#include "socket_address.hpp"

namespace ts::net {
namespace {

/// Without descriptors or memory an accept fails at once, again and again: wait instead.
constexpr std::chrono::milliseconds kFailedBackOff{200};
/// Who is refused may come again at once; that many in a row, and the listener rests.
constexpr int kRefusedInARow = 16;
constexpr std::chrono::milliseconds kRefusedBackOff{20};
/// Accepts of one callback, so that a flood does not hold up the shard.
constexpr int kMaxAccepts = 16;
/// What has been silent for so long makes room for a newcomer when the budget is used up.
constexpr std::chrono::seconds kYieldAge{1};
/// Other shards are given so long to make room, and for so many at once.
constexpr std::chrono::milliseconds kAskedTime{20};
constexpr std::size_t kMaxWaiting = 16;

/// A descriptor that costs next to nothing.
Descriptor make_spare() noexcept { return Descriptor(::eventfd(0, EFD_CLOEXEC)); }

int accept_one(int listener, sockaddr_storage& remote) noexcept {
  socklen_t bytes = sizeof remote;
  return ::accept4(listener, reinterpret_cast<sockaddr*>(&remote), &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

Endpoint local_of(int descriptor, const Endpoint& listener) noexcept {
  if (!listener.address.is_unspecified()) return listener;
  sockaddr_storage local{};
  socklen_t bytes = sizeof local;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&local), &bytes) != 0) return listener;
  return from_sockaddr(local);
}

}  // namespace

StreamDoor::Listener::Listener(asio::io_context& context, BoundSocket socket)
    : local(socket.local),
      acceptor(context, local.address.is_v4() ? tcp::v4() : tcp::v6(), socket.descriptor.release()),
      pause(context) {}

StreamDoor::StreamDoor(asio::io_context& context, std::vector<BoundSocket> listeners,
                       const ShardSurroundings& surroundings, Counters& counters,
                       std::function<void(Stream, StreamKind)> admit)
    : context_(context),
      surroundings_(surroundings),
      counters_(counters),
      admit_(std::move(admit)),
      waiting_timer_(context),
      spare_(make_spare()),
      deadline_timer_(context) {
  for (BoundSocket& listener : listeners) {
    listeners_.push_back(std::make_unique<Listener>(context, std::move(listener)));
  }
}

StreamDoor::~StreamDoor() { surroundings_.stream_budget.remove_door(this); }

void StreamDoor::start() {
  surroundings_.stream_budget.add_door(this, [this] {
    if (asked_.exchange(true)) return;
    asio::post(context_, [this] {
      asked_ = false;
      // Who was asked before may have given way already.
      if (!stopped_ && surroundings_.stream_budget.is_full()) give_way();
    });
  });
  for (const auto& listener : listeners_) wait(*listener);
}

void StreamDoor::stop() {
  stopped_ = true;
  surroundings_.stream_budget.remove_door(this);
  error_code ignored;
  for (const auto& listener : listeners_) {
    listener->acceptor.close(ignored);
    listener->pause.cancel();
  }
  deadline_timer_.cancel();
  waiting_timer_.cancel();
  waiting_.clear();
  handshakes_.clear();
  for (const auto& [id, newcomer] : std::exchange(newcomers_, {})) newcomer->stream.close();
}

void StreamDoor::wait(Listener& listener) {
  listener.acceptor.async_wait(tcp::acceptor::wait_read, [this, &listener](const error_code& error) {
    if (!error && !stopped_) accept_waiting(listener);
  });
}

void StreamDoor::pause(Listener& listener, std::chrono::milliseconds time) {
  listener.refused_in_a_row = 0;
  listener.pause.expires_after(time);
  listener.pause.async_wait([this, &listener](const error_code& error) {
    if (!error && !stopped_) wait(listener);
  });
}

void StreamDoor::accept_waiting(Listener& listener) {
  if (!spare_) spare_ = make_spare();
  for (int i = 0; i < kMaxAccepts; ++i) {
    sockaddr_storage remote{};
    Descriptor descriptor(accept_one(listener.acceptor.native_handle(), remote));
    if (!descriptor) {
      const int error = errno;
      if (error == EAGAIN) break;
      if (error == ECONNABORTED || error == EINTR) continue;
      return accept_failed(listener, error);
    }
    if (take_in(listener, std::move(descriptor), from_sockaddr(remote))) {
      listener.refused_in_a_row = 0;
    } else if (++listener.refused_in_a_row >= kRefusedInARow) {
      return pause(listener, kRefusedBackOff);
    }
  }
  wait(listener);  // at once when more are there, after the others had their turn
}

void StreamDoor::accept_failed(Listener& listener, int error) {
  refuse(StreamRefusal::AcceptFailed);
  if (error == EMFILE || error == ENFILE) {
    spare_ = Descriptor();
    sockaddr_storage remote{};
    const Descriptor told(accept_one(listener.acceptor.native_handle(), remote));
  }
  spare_ = make_spare();
  pause(listener, kFailedBackOff);
}

bool StreamDoor::is_balancer(const IpAddress& address) const noexcept {
  const auto& from = surroundings_.options.proxy_protocol_from;
  return std::any_of(from.begin(), from.end(), [client = address.unmapped()](const IpNetwork& network) {
    return network.contains(client);
  });
}

Result<StreamTicket, StreamRefusal> StreamDoor::make_room(const std::optional<IpAddress>& client) {
  auto ticket = surroundings_.stream_budget.admit(client);
  if (ticket || ticket.error() != StreamRefusal::Limit || !give_way()) return ticket;
  return surroundings_.stream_budget.admit(client);
}

bool StreamDoor::give_way() {
  if (newcomers_.empty()) return false;
  const Shared oldest = newcomers_.begin()->second;
  const TimePoint came = oldest->deadline - surroundings_.options.handshake_timeout;
  if (now().mono - came < kYieldAge) return false;
  oldest->refusal = StreamRefusal::Limit;
  finish(*oldest);
  return true;
}

bool StreamDoor::wait_for_room(Listener& listener, Descriptor& descriptor, const Endpoint& remote) {
  if (waiting_.size() >= kMaxWaiting || !surroundings_.stream_budget.ask_others(this)) return false;
  waiting_.push_back({&listener, std::move(descriptor), remote});
  if (waiting_.size() > 1) return true;
  waiting_timer_.expires_after(kAskedTime);
  waiting_timer_.async_wait([this](const error_code& error) {
    if (error || stopped_) return;
    for (Waiting& each : std::exchange(waiting_, {}))
      take_in(*each.listener, std::move(each.descriptor), each.remote, false);
  });
  return true;
}

bool StreamDoor::take_in(Listener& listener, Descriptor descriptor, const Endpoint& remote, bool may_wait) {
  const bool balancer = is_balancer(remote.address);
  auto ticket = make_room(balancer ? std::nullopt : std::optional(remote.address));
  if (!ticket) {
    if (may_wait && ticket.error() == StreamRefusal::Limit && wait_for_room(listener, descriptor, remote))
      return true;
    refuse(ticket.error());
    return false;
  }
  const Endpoint local = local_of(descriptor.get(), listener.local);
  DetachedStream accepted(descriptor.release(), nullptr, local, remote);
  accepted.ticket = std::move(*ticket);
  const TimePoint deadline = now().mono + surroundings_.options.handshake_timeout;
  const auto newcomer =
      std::make_shared<Newcomer>(Stream(context_, std::move(accepted)), deadline, ++next_id_);
  if (balancer) newcomer->stage = Stage::ProxyHeader;
  newcomers_.emplace_hint(newcomers_.end(), newcomer->id, newcomer);
  arm_deadline();
  proceed(newcomer);
  return true;
}

void StreamDoor::proceed(const Shared& newcomer) {
  Newcomer& n = *newcomer;
  for (;;) {
    if (n.stage == Stage::Handshake && !std::exchange(n.may_shake_hands, false)) {
      return queue_handshake(newcomer);
    }
    const Stream::Status status = step(n);
    if (status == Stream::Status::Closed || n.kind) return finish(n);
    if (status == Stream::Status::Done) continue;
    n.stream.socket().async_wait(Stream::wait_type(status), [this, newcomer](const error_code& error) {
      if (stopped_ || newcomer->gone) return;
      if (error) return finish(*newcomer);
      proceed(newcomer);
    });
    return;
  }
}

Stream::Status StreamDoor::step(Newcomer& n) {
  if (n.stage == Stage::ProxyHeader) return read_header(n);
  if (n.stage != Stage::Handshake) return look(n);
  const Stream::Step step = n.stream.handshake();
  if (step.status == Stream::Status::Closed) n.refusal = StreamRefusal::TlsFailed;
  if (step.status == Stream::Status::Done) n.stage = Stage::FirstByteInside;
  return step.status;
}

Stream::Status StreamDoor::read_header(Newcomer& n) {
  std::array<std::uint8_t, kMaxProxyHeaderBytes> buffer;
  const std::size_t held = n.header.size();
  std::copy(n.header.begin(), n.header.end(), buffer.begin());
  const Stream::Step step = n.stream.peek_raw(MutableBytes(buffer).subspan(held));
  if (step.status != Stream::Status::Done) return step.status;
  const ByteView bytes = ByteView(buffer).first(held + step.bytes);
  const auto parsed = parse_proxy_header(bytes);
  if (!parsed) {
    n.refusal = StreamRefusal::BadProxyHeader;
    return Stream::Status::Closed;
  }
  if (!parsed->has_value()) {
    // Taken out of the socket, which would say for ever that there is something to read.
    n.stream.skip_raw(step.bytes);
    n.header.assign(bytes.begin(), bytes.end());
    return Stream::Status::WantRead;
  }
  const ProxyHeader& header = **parsed;
  n.stream.skip_raw(header.bytes - held);
  std::vector<std::uint8_t>().swap(n.header);
  n.stage = Stage::FirstByte;
  if (!header.endpoints) return Stream::Status::Done;
  n.stream.set_endpoints(header.endpoints->server, header.endpoints->client);
  if (n.stream.ticket().charge(header.endpoints->client.address)) return Stream::Status::Done;
  n.refusal = StreamRefusal::AddressLimit;
  return Stream::Status::Closed;
}

Stream::Status StreamDoor::look(Newcomer& n) {
  std::uint8_t first = 0;
  const Stream::Step step = n.stream.peek(first);
  if (step.status != Stream::Status::Done) return step.status;
  return take_kind(n, first);
}

Stream::Status StreamDoor::take_kind(Newcomer& n, std::uint8_t first) {
  const bool inside = n.stage == Stage::FirstByteInside;
  switch (stun::classify_stream(first)) {
    case stun::Stream::Turn: n.kind = inside ? StreamKind::TurnTls : StreamKind::TurnTcp; break;
    case stun::Stream::Http: n.kind = inside ? StreamKind::Https : StreamKind::Http; break;
    case stun::Stream::Tls:
      if (inside || !surroundings_.tls || !n.stream.begin_tls(*surroundings_.tls)) {
        n.refusal = StreamRefusal::UnknownProtocol;
        return Stream::Status::Closed;
      }
      n.stage = Stage::Handshake;
      break;
    case stun::Stream::Unknown: n.refusal = StreamRefusal::UnknownProtocol; return Stream::Status::Closed;
  }
  return Stream::Status::Done;
}

void StreamDoor::queue_handshake(const Shared& newcomer) {
  handshakes_.push_back(newcomer);
  if (std::exchange(handshake_posted_, true)) return;
  asio::post(context_, [this] { next_handshake(); });
}

/// One step of one handshake a turn of the loop: each takes a signature, and datagrams must not wait for
/// many.
void StreamDoor::next_handshake() {
  handshake_posted_ = false;
  if (stopped_) return;
  while (!handshakes_.empty() && handshakes_.front()->gone) handshakes_.pop_front();
  if (handshakes_.empty()) return;
  const Shared newcomer = std::move(handshakes_.front());
  handshakes_.pop_front();
  newcomer->may_shake_hands = true;
  proceed(newcomer);
  if (handshakes_.empty() || std::exchange(handshake_posted_, true)) return;
  asio::post(context_, [this] { next_handshake(); });
}

/// The end of its time here: on to the one who serves its kind, or closed.
void StreamDoor::finish(Newcomer& n) {
  n.gone = true;
  if (n.refusal) refuse(*n.refusal);
  if (!n.refusal && n.kind) {
    n.stream.ticket().shown();
    Stream stream = std::move(n.stream);
    const StreamKind kind = *n.kind;
    newcomers_.erase(n.id);
    return admit_(std::move(stream), kind);
  }
  n.stream.close();
  newcomers_.erase(n.id);
}

void StreamDoor::arm_deadline() {
  if (std::exchange(deadline_armed_, true)) return;
  const TimePoint due = newcomers_.begin()->second->deadline;
  deadline_timer_.expires_after(std::max<Duration>(due - now().mono, Duration::zero()));
  deadline_timer_.async_wait([this](const error_code& error) {
    deadline_armed_ = false;
    if (error || stopped_) return;
    const TimePoint moment = now().mono;
    while (!newcomers_.empty() && newcomers_.begin()->second->deadline <= moment) {
      const Shared late = newcomers_.begin()->second;
      late->refusal = StreamRefusal::HandshakeTimeout;
      finish(*late);
    }
    if (!newcomers_.empty()) arm_deadline();
  });
}

}  // namespace ts::net
