// SPDX-License-Identifier: Apache-2.0
// Who is who in the Socket.IO application: connecting, names and who has them, leaving.
#include <algorithm>
#include <utility>

#include <turnstone/dialect/sio_app.hpp>

#include "sio_texts.hpp"

namespace ts::dialect {
namespace {

/// So long a peer whose name somebody else wants may take to show that it is there.
constexpr std::chrono::milliseconds kContestTime{1000};

}  // namespace

std::size_t SioApp::Hash::operator()(std::string_view text) const noexcept {
  std::uint64_t state = mix64(text.size(), seed);
  for (const char c : text) state = mix64(state ^ static_cast<unsigned char>(c), seed);
  return state;
}

SioApp::SioApp(const SocketIoOptions& options, signal::Router& router, SocketIo& sio, signal::DialectId id)
    : options_(options),
      router_(router),
      sio_(sio),
      id_(id),
      seed_(sio.random_number()),
      room_names_(0, Hash{seed_}),
      names_(0, Hash{seed_}) {
  sio.add_namespace("/", *this);
}

/// The generation's two top bits are spared, so that it fits below kFirstSioConnection.
signal::ConnectionId SioApp::connection_of(SlotHandle at) noexcept {
  return kFirstSioConnection | (pack(at) & (kFirstSioConnection - 1));
}

SioApp::Peer* SioApp::peer_of(signal::ConnectionId id, SlotHandle& at) noexcept {
  at = unpack(id & (kFirstSioConnection - 1));
  return peers_.find(at);
}

SioApp::Peer* SioApp::peer_of(SioSocket socket, SlotHandle& at) noexcept {
  const std::uint64_t* user = sio_.user(socket);
  if (user == nullptr) return nullptr;
  at = unpack(*user);
  return peers_.find(at);
}

// Coming.

std::string_view SioApp::room_of(const sio::Auth& wanted, const signal::Identity& who) const noexcept {
  return wanted.room.empty() ? who.home_room(options_.default_room) : std::string_view(wanted.room);
}

bool SioApp::must_wait(const Now& now, SioTicket ticket, std::string_view auth, const IpAddress& client) {
  const sio::Auth wanted(auth);
  if (router_.is_draining() || !router_.must_ask(now, wanted.token)) return false;
  signal::HelloQuestion question;
  question.token = wanted.token;
  question.room = wanted.room_is_valid ? wanted.room : std::string();
  question.dialect = "socketio";
  question.client = client;
  const auto asked = router_.doorman().ask(std::move(question),
                                           [this, ticket](const Now& at, const signal::Verdict& verdict) {
                                             asked_.erase(ticket);
                                             verdict_ = &verdict;
                                             sio_.decide(at, ticket);
                                             verdict_ = nullptr;
                                           });
  if (asked) asked_.emplace(ticket, *asked);
  return asked.has_value();
}

void SioApp::gave_up(SioTicket ticket) {
  const auto asked = asked_.find(ticket);
  if (asked == asked_.end()) return;
  const signal::QuestionId question = asked->second;
  asked_.erase(asked);
  router_.doorman().withdraw(question);
}

Result<std::shared_ptr<const signal::Identity>, signal::Failure> SioApp::who_is(
    const Now& now, std::string_view token) const {
  if (verdict_ != nullptr) {
    if (verdict_->identity != nullptr) return verdict_->identity;
    return verdict_->failure;
  }
  // Too many wait: what nobody here knows may be good all the same.
  if (router_.must_ask(now, token)) return signal::Failure{signal::ErrorCode::Unavailable, "too many wait"};
  return router_.authenticate(now, token);
}

std::optional<std::string> SioApp::refuses(const Now& now, std::string_view auth) {
  const sio::Auth wanted(auth);
  const auto who = who_is(now, wanted.token);
  if (!who) {
    if (who.error().code == signal::ErrorCode::Unavailable)
      return R"({"message":"Authentication unavailable","data":{"code":"unavailable","retryAfter":2}})";
    if (who.error().code != signal::ErrorCode::TokenExpired) return R"({"message":"Authentication error"})";
    return R"({"message":"Authentication error","data":{"code":"token_expired"}})";
  }
  if (!wanted.room_is_valid) return R"({"message":"Invalid room"})";
  const std::string_view room = room_of(wanted, **who);
  // Who has not said ready hears the room, too. In a full one it hears nothing, but may wait: the place may
  // be that of its own last connection, whose end nobody has noticed.
  if (const auto in = router_.may_enter(now, **who, room); !in) {
    if (in.error().code == signal::ErrorCode::RoomLocked)
      return R"({"message":"Locked room","data":{"code":"room_locked"}})";
    if (in.error().code != signal::ErrorCode::RoomFull)
      return R"({"message":"Forbidden room","data":{"code":"forbidden"}})";
  }
  admitted_ = Admitted{*who, std::string(room), !wanted.room.empty()};
  return std::nullopt;
}

void SioApp::connected(const Now&, SioSocket socket, std::string_view) {
  Admitted in = std::exchange(admitted_, {});
  auto known = room_names_.find(in.room);
  if (known == room_names_.end()) {
    const SlotHandle made = rooms_.emplace(Room{in.room, {}, {}}).first;
    known = room_names_.emplace(std::move(in.room), made).first;
  }
  const auto [at, peer] = peers_.emplace(socket, std::move(in.who));
  peer.room = known->second;
  *sio_.user(socket) = pack(at);
  sio_.rates(socket)->place = router_.rates().place(sio_.address(socket));
  stand_by(at);
}

void SioApp::stand_by(SlotHandle at) {
  Peer& peer = *peers_.find(at);
  std::vector<SlotHandle>& all = rooms_.find(peer.room)->bystanders;
  peer.place = static_cast<std::uint32_t>(all.size());
  all.push_back(at);
}

/// The last one takes its place.
void SioApp::stand_by_no_more(SlotHandle at) {
  Peer& peer = *peers_.find(at);
  if (peer.place == kNowhere) return;
  std::vector<SlotHandle>& all = rooms_.find(peer.room)->bystanders;
  peers_.find(all.back())->place = peer.place;
  all[peer.place] = all.back();
  all.pop_back();
  peer.place = kNowhere;
}

void SioApp::event(const Now& now, SioSocket socket, const SioEvent& event) {
  SlotHandle at;
  if (peer_of(socket, at) == nullptr || !admit(now, at, event)) return;
  if (event.name == "ready") {
    ready(now, at, event);
  } else if (event.name == "message") {
    message(now, at, event);
  } else if (event.name == "messageOne") {
    message_one(now, at, event);
  }
  if (event.ack) sio_.acknowledge(socket, *event.ack, {});
}

bool SioApp::admit(const Now& now, SlotHandle at, const SioEvent& event) {
  const Peer& peer = *peers_.find(at);
  signal::ConnectionRates* rates = sio_.rates(peer.socket);
  if (rates == nullptr) return false;
  std::size_t bytes = event.name.size() + event.arguments.size();
  for (const std::string& attachment : event.attachments) bytes += attachment.size();
  const std::uint32_t own = peer.identity->limits.messages_per_second;
  const auto refusal = router_.rates().message(now.mono, *rates, own, bytes);
  return !refusal || refuse_rate(now, peer, *refusal);
}

/// False.
bool SioApp::refuse_rate(const Now& now, const Peer& peer, const signal::RateLimiter::Refusal& refusal) {
  if (refusal.persists) {
    sio_.disconnect(now, peer.socket, true);
  } else {
    error(now, peer, "rate_limited");
  }
  return false;
}

/// Its connection of the Router is a new one each time: the client's own counts.
bool SioApp::may_join(const Now& now, const Peer& peer) {
  signal::ConnectionRates* rates = sio_.rates(peer.socket);
  if (rates == nullptr) return false;
  const auto refusal = router_.rates().join(now.mono, *rates, 1);
  return !refusal || refuse_rate(now, peer, *refusal);
}

void SioApp::ready(const Now& now, SlotHandle at, const SioEvent& event) {
  std::string storage;
  const json::Value id = event.argument(0);
  const json::Value type = event.argument(1);
  const std::string name(id.is(json::Kind::String) ? json::decode(id, storage) : std::string_view());
  Peer& peer = *peers_.find(at);
  // "*" is how other dialects name everyone.
  if (!signal::valid_name(name, signal::kMaxPeerNameBytes) || name == "*" ||
      type.raw.size() > signal::kMaxMetaBytes / 2) {
    return error(now, peer, "bad_request");
  }
  drop_contest(at);  // whatever name it waited for, it wants this one now
  const std::string told(type.is(json::Kind::Null) ? std::string_view() : type.raw);
  if (peer.member && peer.name == name) {
    peer.type = told;
    return welcome(now, peer);
  }
  // A second name takes the place of the first.
  if (peer.member) leave(now, at, true);
  const auto holder = names_.find(name);
  if (holder != names_.end()) return contend(now, at, holder->second, name, told);
  enter(now, at, name, told);
}

void SioApp::contend(const Now& now, SlotHandle at, SlotHandle holder, std::string name, std::string type) {
  drop_contest(at);
  Peer& peer = *peers_.find(at);
  Peer& other = *peers_.find(holder);
  // A ghost makes way for nobody but its own client, who has not so many connections.
  if (other.identity->credential != peer.identity->credential || other.rivals.size() >= kMaxRivals)
    return turn_away(now, at, name);
  peer.wants = std::make_unique<Contest>(Contest{holder, std::move(name), std::move(type)});
  other.rivals.push_back(at);
  if (other.rivals.size() > 1) return;
  other.contest_due = now.mono + kContestTime;
  contests_due_.push(other.contest_due, holder);
  sio_.probe(now, other.socket);
}

void SioApp::drop_contest(SlotHandle newcomer) {
  const std::unique_ptr<Contest> wanted = std::move(peers_.find(newcomer)->wants);
  if (wanted == nullptr) return;
  if (Peer* holder = peers_.find(wanted->holder)) std::erase(holder->rivals, newcomer);
}

/// The holder of a name has shown that it lives, or has not, or is gone.
void SioApp::decide(const Now& now, SlotHandle holder, bool lives) {
  Peer& held = *peers_.find(holder);
  std::vector<std::pair<SlotHandle, std::unique_ptr<Contest>>> decided;
  for (const SlotHandle rival : std::exchange(held.rivals, {})) {
    decided.emplace_back(rival, std::move(peers_.find(rival)->wants));
  }
  if (!lives) sio_.disconnect(now, held.socket, true);
  for (const auto& [newcomer, wanted] : decided) {
    const Peer* peer = peers_.find(newcomer);
    if (peer == nullptr || !sio_.is_connected(peer->socket)) continue;
    // The holder may have given it up meanwhile, and somebody else have taken it.
    const auto now_held = names_.find(wanted->name);
    if (now_held == names_.end()) {
      enter(now, newcomer, wanted->name, wanted->type);
    } else if (lives && now_held->second == holder) {
      turn_away(now, newcomer, wanted->name);
    } else {
      contend(now, newcomer, now_held->second, wanted->name, wanted->type);
    }
  }
}

void SioApp::tick(const Now& now) {
  while (const auto holder = contests_due_.pop_due(now.mono)) {
    const Peer* peer = peers_.find(*holder);
    if (peer != nullptr && !peer->rivals.empty() && peer->contest_due <= now.mono)
      decide(now, *holder, false);
  }
}

void SioApp::alive(const Now& now, SioSocket socket) {
  SlotHandle at;
  const Peer* peer = peer_of(socket, at);
  if (peer != nullptr && !peer->rivals.empty()) decide(now, at, true);
}

void SioApp::turn_away(const Now& now, SlotHandle at, std::string_view name) {
  const SioSocket socket = peers_.find(at)->socket;
  std::string why;
  json::append_string(why, std::string(name) +
                               " is already connected to the signalling server. Please change your peer ID "
                               "and try again.");
  // Older clients read the one, newer ones the other.
  SioMessage said("/", "uniquenessError", "{\"message\":" + why + ",\"error\":" + why + "}");
  sio_.emit(now, socket, said);
  sio_.disconnect(now, socket, true);
}

void SioApp::enter(const Now& now, SlotHandle at, const std::string& name, const std::string& type) {
  Peer& peer = *peers_.find(at);
  if (!may_join(now, peer)) return;
  const Room& room = *rooms_.find(peer.room);
  const signal::ConnectionId id = connection_of(at);
  const std::string meta = type.empty() ? std::string() : "{\"peerType\":" + type + "}";
  if (const auto opened = router_.opened(now, id, Endpoint{}, id_, outbox_); !opened) {
    outbox_.clear();  // it says to close what stays open here
    if (opened.error().code == signal::ErrorCode::ServerDraining) return sio_.drop(now, peer.socket);
    return error(now, peer, label(opened.error().code));
  }
  signal::Hello hello;
  hello.peer = name;
  hello.meta = meta;
  hello.identity = peer.identity;
  hello.wants_ice = false;
  hello.watched = true;  // Engine.IO pings in its own time
  if (const auto in = router_.hello(now, id, hello, outbox_); !in) {
    outbox_.clear();
    if (in.error().code == signal::ErrorCode::PeerTaken) return turn_away(now, at, name);
    return error(now, peer, label(in.error().code));
  }
  peer.name = name;
  peer.type = type;
  names_.insert_or_assign(name, at);  // before the others are told of it
  SioMessage opened("/", "message", sio::opened(name, entry(name)));
  if (const auto in = router_.join(now, id, room.name, {}, outbox_); !in) {
    names_.erase(name);
    router_.closed(id, signal::CloseReason::Bye, outbox_);
    settle(now, {});
    return error(now, peer, label(in.error().code));
  }
  peer.member = true;
  Room& entered = *rooms_.find(peer.room);
  stand_by_no_more(at);
  entered.members.push_back(at);
  welcome(now, peer);
  settle(now, {&opened, nullptr, nullptr});
  to_bystanders(now, entered, at, opened);
}

/// The ones who are there already, first to last.
void SioApp::welcome(const Now& now, Peer& peer) {
  std::string list;
  const Room& room = *rooms_.find(peer.room);
  SlotHandle at;
  peer_of(peer.socket, at);
  signal::Outbox unused;
  const auto mates = router_.list(connection_of(at), room.name, unused);
  if (mates) {
    for (const signal::PeerView& mate : *mates) {
      if (!list.empty()) list.push_back(',');
      list.append(entry(mate.peer));
    }
  }
  SioMessage said("/", "message", sio::existing(peer.name, list));
  sio_.emit(now, peer.socket, said);
}

// Going.

/// The peer gives up its name, and stays as a bystander or not.
void SioApp::leave(const Now& now, SlotHandle at, bool stays) {
  Peer& peer = *peers_.find(at);
  Room& room = *rooms_.find(peer.room);
  if (peer.member) {
    peer.member = false;
    std::erase(room.members, at);
    names_.erase(peer.name);
    SioMessage left("/", "message", sio::closed(peer.name));
    router_.closed(connection_of(at), signal::CloseReason::Bye, outbox_);
    settle(now, {nullptr, &left, nullptr});
    to_bystanders(now, room, at, left);
  } else {
    stand_by_no_more(at);
  }
  if (stays) stand_by(at);
}

void SioApp::disconnected(const Now& now, SioSocket socket, bool may_recover) {
  SlotHandle at;
  const Peer* peer = peer_of(socket, at);
  if (peer == nullptr) return;
  const bool was_contested = !peer->rivals.empty();
  const bool was_member = peer->member;
  drop_contest(at);
  leave(now, at, may_recover);
  Peer& gone = *peers_.find(at);
  if (!was_member) gone.name.clear();
  if (was_contested) decide(now, at, false);
}

/// It may if the one who shows the secret is the same, and still allowed in the room, which it does not want
/// to change.
bool SioApp::may_recover(const Now& now, SioSocket socket) {
  SlotHandle at;
  const Peer* peer = peer_of(socket, at);
  if (peer == nullptr || peer->identity->credential != admitted_.who->credential) return false;
  const std::string& room = rooms_.find(peer->room)->name;
  if (admitted_.named && admitted_.room != room) return false;
  const auto in = router_.may_enter(now, *admitted_.who, room);
  return in || in.error().code == signal::ErrorCode::RoomFull;
}

void SioApp::recovered(const Now& now, SioSocket socket) {
  SlotHandle at;
  Peer* peer = peer_of(socket, at);
  const Admitted in = std::exchange(admitted_, {});
  if (peer == nullptr) return;
  if (signal::ConnectionRates* rates = sio_.rates(socket))
    rates->place = router_.rates().place(sio_.address(socket));
  peer->identity = in.who;
  if (peer->name.empty()) return;
  const std::string name = peer->name;
  const std::string type = peer->type;
  const auto holder = names_.find(name);
  if (holder != names_.end()) return contend(now, at, holder->second, name, type);
  enter(now, at, name, type);
}

void SioApp::forgotten(SioSocket socket) {
  SlotHandle at;
  const Peer* peer = peer_of(socket, at);
  if (peer == nullptr) return;
  stand_by_no_more(at);
  Room& room = *rooms_.find(peer->room);
  if (room.members.empty() && room.bystanders.empty()) {
    const SlotHandle empty = peer->room;
    room_names_.erase(room.name);
    rooms_.erase(empty);
  }
  peers_.erase(at);
}

}  // namespace ts::dialect
