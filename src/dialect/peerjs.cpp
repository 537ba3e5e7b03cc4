// SPDX-License-Identifier: Apache-2.0
// Who comes and goes, and what they say to each other. The client destroys itself at an ERROR, so that what
// it may get over is not answered by one.
#include <algorithm>
#include <utility>

#include <turnstone/base/hash.hpp>
#include <turnstone/dialect/json.hpp>
#include <turnstone/dialect/peerjs.hpp>

namespace ts::dialect {
namespace {

/// Peers that somebody was told of as absent, at a time.
constexpr std::size_t kMaxTold = 64;
/// What a client may send before its OPEN, while the application is asked about it.
constexpr std::size_t kMaxHeldMessages = 32;
constexpr std::size_t kMaxHeldBytes = 16'384;

std::string quoted(std::string_view text) {
  std::string out;
  json::append_string(out, text);
  return out;
}

/// {"type":…,"src":…,"dst":…,"payload":…}; the last is raw, and left out when it is empty.
std::string packet(std::string_view type, std::string_view src, std::string_view dst,
                   std::string_view payload) {
  std::string out;
  out.reserve(type.size() + src.size() + dst.size() + payload.size() + 48);
  out.append("{\"type\":\"").append(type).append("\",\"src\":");
  json::append_string(out, src);
  out.append(",\"dst\":");
  json::append_string(out, dst);
  if (!payload.empty()) out.append(",\"payload\":").append(payload);
  return out += '}';
}

std::string notice(std::string_view type, std::string_view text) {
  return "{\"type\":\"" + std::string(type) + "\",\"payload\":{\"msg\":" + quoted(text) + "}}";
}

/// What is kept of a client's token, which may be long, and a secret.
std::string digest(std::string_view token) { return base64url(sha256({as_bytes(token)})); }

std::optional<signal::Kind> kind_of(PeerJsType type) noexcept {
  switch (type) {
    case PeerJsType::Offer: return signal::Kind::Offer;
    case PeerJsType::Answer: return signal::Kind::Answer;
    case PeerJsType::Candidate: return signal::Kind::Candidate;
    case PeerJsType::Leave: return signal::Kind::End;
    default: return std::nullopt;
  }
}

/// What members of other dialects say; empty: this one has no word for it.
std::string_view word_of(signal::Kind kind) noexcept {
  switch (kind) {
    case signal::Kind::Offer: return word(PeerJsType::Offer);
    case signal::Kind::Answer: return word(PeerJsType::Answer);
    case signal::Kind::Candidate: return word(PeerJsType::Candidate);
    case signal::Kind::End: return word(PeerJsType::Leave);
    case signal::Kind::Custom: break;
  }
  return {};
}

/// PeerServer's words, where it has them.
std::string_view explain(PeerJsOpen why) noexcept {
  switch (why) {
    case PeerJsOpen::IdTaken: return "ID is taken";
    case PeerJsOpen::InvalidKey: return "Invalid key provided";
    case PeerJsOpen::InvalidToken: return "Invalid token provided";
    case PeerJsOpen::BadRequest: return "No id, token, or key supplied to websocket server";
    case PeerJsOpen::Forbidden: return "The token does not allow this";
    case PeerJsOpen::Unavailable: return "Server has reached its concurrent user limit";
    case PeerJsOpen::Accepted:
    case PeerJsOpen::Replaced: break;
  }
  return {};
}

PeerJsOpen refusal_of(signal::ErrorCode code) noexcept {
  using signal::ErrorCode;
  switch (code) {
    case ErrorCode::PeerTaken: return PeerJsOpen::IdTaken;
    case ErrorCode::BadRequest: return PeerJsOpen::BadRequest;
    case ErrorCode::Unauthorized:
    case ErrorCode::TokenExpired: return PeerJsOpen::InvalidToken;
    case ErrorCode::Forbidden:
    case ErrorCode::RoomLocked: return PeerJsOpen::Forbidden;
    default: return PeerJsOpen::Unavailable;
  }
}

}  // namespace

std::optional<PeerJsMessage> parse_peerjs(std::string_view text) {
  PeerJsMessage out;
  std::string storage;
  const bool whole = json::for_each_member(text, [&](const json::Value& raw, const json::Value& value) {
    const std::string_view key = json::decode(raw, storage);
    const bool is_type = key == "type";
    const bool is_dst = key == "dst";
    if (key == "payload") out.payload = value.raw;
    if (!is_type && !is_dst) return;
    const std::string_view word = value.is(json::Kind::String) ? json::decode(value, storage) : "";
    if (is_type) out.type = peerjs_type_of(word);
    if (is_dst) out.dst = word;
  });
  return whole ? std::optional(std::move(out)) : std::nullopt;
}

PeerJs::PeerJs(PeerJsOptions options, signal::Router& router, RandomSource& random, signal::DialectId id)
    : options_(std::move(options)), router_(router), random_(random), id_(id) {}

// HTTP.

bool PeerJs::knows_key(const Now& now, std::string_view key) const {
  if (equal_constant_time(as_bytes(key), as_bytes(options_.key))) return true;
  return !router_.options().open && router_.authenticate(now, key).has_value();
}

std::string PeerJs::new_id() {
  auto bytes = random_.bytes<16>();
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3F) | 0x80);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.push_back('-');
    out.push_back(kDigits[bytes[i] >> 4]);
    out.push_back(kDigits[bytes[i] & 15]);
  }
  return out;
}

std::optional<std::string> PeerJs::peers(const Now& now, std::string_view key) const {
  if (!options_.allow_discovery) return std::nullopt;
  // The common key is no credential, and who is there is for those alone who may meet them.
  const auto who = router_.authenticate(now, key);
  if (!who) return std::nullopt;
  const std::string_view room = (*who)->home_room(options_.room);
  std::string out = "[";
  for (const auto& [name, connection] : names_) {
    if (peers_.find(connection)->second.room != room) continue;
    if (out.size() > 1) out.push_back(',');
    json::append_string(out, name);
  }
  return out += ']';
}

// Coming.

/// The configured key says nothing about who it is: then the token must. Any other key must be a credential
/// itself, and the token is what its client has made up.
std::shared_ptr<const signal::Identity> PeerJs::authenticate(const Now& now, const PeerJsQuery& query,
                                                             PeerJsOpen& why) const {
  const bool common = equal_constant_time(as_bytes(query.key), as_bytes(options_.key));
  why = common ? PeerJsOpen::InvalidToken : PeerJsOpen::InvalidKey;
  if (!common && router_.options().open) return nullptr;
  auto who = router_.authenticate(now, credential_of(query));
  return who ? std::move(*who) : nullptr;
}

void PeerJs::opened(const Now& now, signal::ConnectionId connection, const Endpoint& remote,
                    const PeerJsQuery& query) {
  if (wait_for_answer(now, connection, remote, query)) return;
  settle_opening(now, connection, admit(now, connection, remote, query, nullptr));
}

/// The configured key is no credential.
std::string_view PeerJs::credential_of(const PeerJsQuery& query) const noexcept {
  return equal_constant_time(as_bytes(query.key), as_bytes(options_.key)) ? query.token : query.key;
}

/// True when the client has been dealt with: it waits, or too many do.
bool PeerJs::wait_for_answer(const Now& now, signal::ConnectionId connection, const Endpoint& remote,
                             const PeerJsQuery& query) {
  if (query.id.empty() || query.token.empty() || query.key.empty() || router_.is_draining()) return false;
  if (!router_.must_ask(now, credential_of(query))) return false;
  signal::HelloQuestion asked;
  asked.token = credential_of(query);
  asked.peer = query.id;
  asked.origin = query.origin.substr(0, signal::kMaxOriginBytes);
  asked.dialect = "peerjs";
  asked.client = remote.address;
  const auto question = router_.doorman().ask(
      std::move(asked), [this, connection](const Now& at, const signal::Verdict& verdict) {
        answered(at, connection, verdict);
      });
  if (question) {
    parked_.emplace(connection, Parked{*question, remote, query, {}, 0});
  } else {
    settle_opening(now, connection, PeerJsOpen::Unavailable);
  }
  return true;
}

void PeerJs::answered(const Now& now, signal::ConnectionId connection, const signal::Verdict& verdict) {
  const auto at = parked_.find(connection);
  if (at == parked_.end()) return;
  const Parked parked = std::move(at->second);
  parked_.erase(at);
  const PeerJsOpen how = verdict.identity != nullptr
                             ? admit(now, connection, parked.remote, parked.query, verdict.identity)
                             : refusal_of(verdict.failure.code);
  settle_opening(now, connection, how);
  for (const std::string& message : parked.held) text(now, connection, message);
}

void PeerJs::settle_opening(const Now& now, signal::ConnectionId connection, PeerJsOpen how) {
  ++counters_.opened[static_cast<std::size_t>(how)];
  if (how != PeerJsOpen::Accepted && how != PeerJsOpen::Replaced) return refuse(connection, how);
  ++counters_.connections;
  push(connection, R"({"type":"OPEN"})");
  settle(now);
}

void PeerJs::refuse(signal::ConnectionId connection, PeerJsOpen why) {
  if (why == PeerJsOpen::Unavailable && router_.is_draining()) {
    // There is another server to come back to.
    return frames_.push_back(Frame{connection, static_cast<std::uint16_t>(signal::CloseCode::Restart),
                                   std::make_shared<const std::string>("restart")});
  }
  push(connection, notice(why == PeerJsOpen::IdTaken ? "ID-TAKEN" : "ERROR", explain(why)));
  frames_.push_back(Frame{connection, static_cast<std::uint16_t>(signal::CloseCode::Normal),
                          std::make_shared<const std::string>()});
}

PeerJsOpen PeerJs::admit(const Now& now, signal::ConnectionId connection, const Endpoint& remote,
                         const PeerJsQuery& query, const std::shared_ptr<const signal::Identity>& known) {
  if (query.id.empty() || query.token.empty() || query.key.empty()) return PeerJsOpen::BadRequest;
  if (router_.is_draining()) return PeerJsOpen::Unavailable;
  PeerJsOpen how = PeerJsOpen::Accepted;
  const auto who = known != nullptr ? known : authenticate(now, query, how);
  if (who == nullptr) return how;
  how = PeerJsOpen::Accepted;
  const std::string token = digest(query.token);
  if (const auto held = names_.find(query.id); held != names_.end()) {
    const Peer& old = peers_.find(held->second)->second;
    const bool same = equal_constant_time(as_bytes(old.token), as_bytes(token)) &&
                      old.identity->credential == who->credential;
    if (!same) return PeerJsOpen::IdTaken;
    // Who could not come in does not end what it has. (In a full room its own place will be free.)
    const auto in = router_.may_enter(now, *who, who->home_room(options_.room));
    if (!in && in.error().code != signal::ErrorCode::RoomFull) return refusal_of(in.error().code);
    how = PeerJsOpen::Replaced;
    replace(held->second);
    settle(now);
  }
  signal::Hello hello;
  hello.peer = query.id;
  hello.identity = who;
  hello.wants_ice = false;
  // What the Router says to close is closed by us, with a reason.
  if (const auto in = router_.opened(now, connection, remote, id_, outbox_); !in) {
    outbox_.clear();
    return PeerJsOpen::Unavailable;
  }
  if (const auto in = router_.hello(now, connection, hello, outbox_); !in) {
    outbox_.clear();
    return refusal_of(in.error().code);
  }
  const std::string room(who->home_room(options_.room));
  peers_.emplace(connection, Peer{query.id, token, room, who, {}});
  names_.emplace(query.id, connection);
  const auto in = router_.join(now, connection, room, {}, outbox_);
  if (in) return how;
  forget(connection);
  router_.closed(connection, signal::CloseReason::Bye, outbox_);
  settle(now);
  return refusal_of(in.error().code);
}

/// Its client has come back before the end of this connection was noticed.
void PeerJs::replace(signal::ConnectionId old) {
  forget(old);
  --counters_.connections;
  router_.closed(old, signal::CloseReason::Superseded, outbox_);
  frames_.push_back(Frame{old, static_cast<std::uint16_t>(signal::CloseCode::Superseded),
                          std::make_shared<const std::string>("superseded")});
}

// Going.

void PeerJs::forget(signal::ConnectionId connection) {
  const auto at = peers_.find(connection);
  names_.erase(at->second.name);
  peers_.erase(at);
}

void PeerJs::closed(const Now& now, signal::ConnectionId connection, signal::CloseReason reason) {
  if (const auto waits = parked_.find(connection); waits != parked_.end()) {
    const signal::QuestionId question = waits->second.question;
    parked_.erase(waits);
    return router_.doorman().withdraw(question);
  }
  if (!peers_.contains(connection)) return;
  forget(connection);
  --counters_.connections;
  router_.closed(connection, reason, outbox_);
  settle(now);
}

void PeerJs::slow_consumer(const Now& now, signal::ConnectionId connection) {
  router_.close(connection, signal::CloseReason::SlowConsumer, signal::CloseCode::Limit, "slow consumer",
                outbox_);
  settle(now);
}

// Messages.

void PeerJs::push(signal::ConnectionId connection, std::string text) {
  frames_.push_back(Frame{connection, 0, std::make_shared<const std::string>(std::move(text))});
}

void PeerJs::text(const Now& now, signal::ConnectionId connection, std::string_view message) {
  if (const auto waits = parked_.find(connection); waits != parked_.end()) {
    Parked& parked = waits->second;
    // What is one too many is lost, as it would be before an OPEN.
    if (parked.held.size() >= kMaxHeldMessages || parked.bytes + message.size() > kMaxHeldBytes) return;
    parked.bytes += message.size();
    parked.held.emplace_back(message);
    return;
  }
  if (!peers_.contains(connection)) return;
  if (!router_.admit(now, connection, outbox_, message.size())) return settle(now);
  const auto parsed = parse_peerjs(message);
  const PeerJsType type = parsed ? parsed->type : PeerJsType::Invalid;
  ++counters_.received[static_cast<std::size_t>(type)];
  if (!parsed || type == PeerJsType::Heartbeat || type == PeerJsType::Unknown) return;
  if (!parsed->dst.empty()) return relay(now, connection, *parsed);
  if (type != PeerJsType::Leave) return;
  router_.close(connection, signal::CloseReason::Bye, signal::CloseCode::Normal, {}, outbox_);
  settle(now);
}

void PeerJs::relay(const Now& now, signal::ConnectionId connection, const PeerJsMessage& message) {
  Peer& peer = peers_.find(connection)->second;
  const auto kind = kind_of(message.type);
  // EXPIRE is the server's word. And nobody has a name that is none.
  if (!kind || !signal::valid_name(message.dst, signal::kMaxPeerNameBytes)) return;
  // Another try deserves another answer.
  if (*kind == signal::Kind::Offer)
    std::erase_if(peer.told, [&](const Told& told) { return told.peer == message.dst; });
  const std::string_view target = message.dst;
  signal::SendRequest request;
  request.room = peer.room;
  request.to = {&target, 1};
  request.kind = *kind;
  request.data = message.payload;
  if (*kind != signal::Kind::End) request.queue = options_.expire_time;
  const auto sent = router_.send(now, connection, request, outbox_);
  settle(now);
  if (sent || *kind == signal::Kind::End) return;
  if (sent.error().code == signal::ErrorCode::Forbidden)
    return push(connection, notice("ERROR", explain(PeerJsOpen::Forbidden)));
  // What is one too many of a try is lost; the try may still succeed.
  if (sent.error().code == signal::ErrorCode::QueueFull && *kind != signal::Kind::Offer) return;
  expire(now, connection, target);
}

/// Once for each try: what was sent together runs out one by one.
void PeerJs::expire(const Now& now, signal::ConnectionId connection, std::string_view target) {
  const auto at = peers_.find(connection);
  if (at == peers_.end()) return;
  Peer& peer = at->second;
  std::erase_if(peer.told, [&](const Told& told) { return told.until < now.mono; });
  const bool known =
      std::any_of(peer.told.begin(), peer.told.end(), [&](const Told& told) { return told.peer == target; });
  if (known) return;
  if (peer.told.size() < kMaxTold)
    peer.told.push_back({std::string(target), now.mono + options_.expire_time});
  ++counters_.expired;
  push(connection, packet(word(PeerJsType::Expire), target, peer.name, {}));
}

// What the Router says.

void PeerJs::settle(const Now& now) {
  signal::Outbox said;
  std::swap(said, outbox_);
  if (said.empty()) return;
  deliver(now, said);
  if (others_) others_(now, said);
}

void PeerJs::deliver(const Now& now, const signal::Outbox& outbox) {
  for (const signal::Outbox::Item& item : outbox.items()) {
    const auto* message = std::get_if<signal::Message>(&item.event);
    const auto* late = std::get_if<signal::Expired>(&item.event);
    const auto* lost = std::get_if<signal::Undelivered>(&item.event);
    const auto* close = std::get_if<signal::Close>(&item.event);
    const auto* kicked = std::get_if<signal::Kicked>(&item.event);
    // Of who else comes and goes PeerJS says nothing, and rooms have many members.
    if (message == nullptr && late == nullptr && lost == nullptr && close == nullptr && kicked == nullptr)
      continue;
    for (const signal::Receiver& receiver : outbox.receivers(item)) {
      const auto at = peers_.find(receiver.connection);
      if (receiver.dialect != id_ || at == peers_.end()) continue;
      if (message != nullptr) {
        const std::string_view type = word_of(message->kind);
        if (!type.empty()) push(at->first, packet(type, message->from, at->second.name, message->data));
      } else if (late != nullptr || lost != nullptr) {
        expire(now, at->first, late != nullptr ? late->to : lost->to);
      } else if (kicked != nullptr) {
        refuse(at->first, PeerJsOpen::Forbidden);
      } else {
        frames_.push_back(Frame{at->first, static_cast<std::uint16_t>(close->code),
                                std::make_shared<const std::string>(close->reason)});
        forget(at->first);
        --counters_.connections;
      }
    }
  }
}

}  // namespace ts::dialect
