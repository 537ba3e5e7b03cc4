// SPDX-License-Identifier: Apache-2.0
// Connection state recovery: what a socket was sent is kept for a while, with numbers, so that a client that
// comes back with its pid and the last number it saw gets the rest, under the same sid.
#include <algorithm>
#include <utility>

#include <turnstone/dialect/socket_io.hpp>

namespace ts::dialect {
namespace {

/// Kept for one socket.
constexpr std::size_t kMaxMessages = 256;
constexpr std::size_t kMaxBytes = 262'144;

std::uint64_t key_of(std::string_view pid) noexcept {
  return load_be64(reinterpret_cast<const std::uint8_t*>(pid.data()));
}

/// What the auth object says about recovery.
struct Wish {
  bool asked = false;
  std::string pid;
  std::optional<std::uint64_t> offset;

  explicit Wish(std::string_view auth) {
    std::string key_storage;
    std::string storage;
    json::Scanner in(auth, kMaxSioDepth);
    in.enter('{');
    while (in.next('}')) {
      const std::string_view key = json::decode(in.key(), key_storage);
      const bool is_pid = key == "pid";
      const bool is_offset = key == "offset";
      const bool is_recovery = key == "recovery";
      const json::Value value = in.value();
      if (is_recovery) asked = value.is(json::Kind::True);
      if (!value.is(json::Kind::String)) continue;
      if (is_pid) pid = json::decode(value, storage);
      if (is_offset) offset = json::to_integer({json::Kind::Number, json::decode(value, storage)});
    }
  }
};

}  // namespace

std::size_t SocketIo::Sent::bytes() const noexcept {
  std::size_t out = sizeof(Sent) + 2 * sizeof(Kept) + text.bytes->size();
  for (const EngineWire& wire : attachments) out += wire.bytes->size();
  return out;
}

void SocketIo::drop_front(Journal& journal) {
  const std::size_t bytes = journal.sent.front().bytes();
  journal.bytes -= bytes;
  counters_.kept_bytes -= bytes;
  --kept_messages_;
  journal.dropped = journal.sent.front().number;
  journal.sent.pop_front();
  if (journal.sent.empty()) journal.sent.shrink_to_fit();
}

/// Drops what is too old, and the oldest of what is too much for all together.
void SocketIo::trim(const Now& now) {
  while (!order_.empty()) {
    const Kept oldest = order_.front();
    Socket* s = sockets_.find(oldest.socket);
    if (s != nullptr && !s->journal->sent.empty() && s->journal->sent.front().number == oldest.number) {
      const bool late = s->journal->sent.front().at + options_.recovery_time < now.mono;
      if (!late && counters_.kept_bytes <= options_.max_recovery_bytes) break;
      drop_front(*s->journal);
    }
    order_.pop_front();
  }
  constexpr std::size_t kSlack = 1024;
  if (order_.size() <= 2 * kept_messages_ + kSlack) return;
  std::erase_if(order_, [this](const Kept& kept) {
    const Socket* s = sockets_.find(kept.socket);
    return s == nullptr || s->journal->sent.empty() || kept.number < s->journal->sent.front().number;
  });
}

void SocketIo::record(const Now& now, SioSocket at, Journal& journal, const SioMessage& message) {
  journal.sent.push_back(Sent{message.number_, now.mono, message.numbered_, message.attachments_});
  const std::size_t bytes = journal.sent.back().bytes();
  journal.bytes += bytes;
  counters_.kept_bytes += bytes;
  ++kept_messages_;
  order_.push_back(Kept{at, message.number_});
  while (journal.sent.size() > kMaxMessages || journal.bytes > kMaxBytes) drop_front(journal);
  trim(now);
}

bool SocketIo::is_due(const Ghost& ghost) const noexcept {
  const Socket* s = sockets_.find(ghost.socket);
  return s != nullptr && s->journal->lost && s->journal->lost_until == ghost.until;
}

/// The end of those whose time is up, and of the oldest of those that are too many.
void SocketIo::expire(TimePoint now) {
  while (!ghosts_.empty()) {
    const Ghost oldest = ghosts_.front();
    const bool there = is_due(oldest);
    const bool late = oldest.until <= now;
    if (there && !late && counters_.kept <= options_.max_recoverable) break;
    ghosts_.pop_front();
    if (!there) continue;
    if (!late) ++counters_.crowded_out;
    forget(oldest.socket);
  }
  constexpr std::size_t kSlack = 64;
  if (ghosts_.size() <= 2 * counters_.kept + kSlack) return;
  std::erase_if(ghosts_, [this](const Ghost& ghost) { return !is_due(ghost); });
}

void SocketIo::join(const Now& now, SlotHandle at, std::uint32_t space, std::string_view auth) {
  Client& client = *clients_.find(at);
  const auto [socket, s] = sockets_.emplace();
  s.client = at;
  s.space = space;
  s.sid = new_id();
  if (options_.recovery == Recovery::All || (options_.recovery == Recovery::Asked && Wish(auth).asked)) {
    s.journal = std::make_unique<Journal>();
    do {
      s.journal->pid = new_id();
    } while (by_pid_.contains(key_of(view(s.journal->pid))));
    by_pid_.emplace(key_of(view(s.journal->pid)), socket);
  }
  client.sockets.push_back(socket);
  welcome(client, s);
  spaces_[space].application->connected(now, socket, auth);
}

bool SocketIo::recover(const Now& now, SlotHandle at, std::uint32_t space, std::string_view auth) {
  if (options_.recovery == Recovery::Off || by_pid_.empty()) return false;
  const Wish wish(auth);
  if (wish.pid.size() != Id{}.size()) return false;
  const auto found = by_pid_.find(key_of(wish.pid));
  if (found == by_pid_.end()) return false;
  const SioSocket socket = found->second;
  Socket* s = sockets_.find(socket);
  if (s->space != space || !equal_constant_time(as_bytes(wish.pid), as_bytes(view(s->journal->pid)))) {
    return false;
  }
  trim(now);
  if (wish.offset.value_or(0) < s->journal->dropped || wish.offset.value_or(0) > numbers_) return false;
  if (!spaces_[space].application->may_recover(now, socket)) return false;
  if (const Client* ghost = clients_.find(s->client)) {
    // Its end was not noticed yet. Who knows the pid is the client.
    engine_.close(now, ghost->session, EngineEnd::TransportClose);
    s = sockets_.find(socket);
  }
  Client* client = clients_.find(at);
  if (s == nullptr || client == nullptr) return false;
  if (std::exchange(s->journal->lost, false)) --counters_.kept;
  s->client = at;
  client->sockets.push_back(socket);
  client->rates.inherit(s->journal->rates);
  welcome(*client, *s);
  const EngineSession session = client->session;
  for (const Sent& sent : s->journal->sent) {
    if (sent.number <= wish.offset.value_or(0)) continue;
    count(sent.attachments.empty() ? SioType::Event : SioType::BinaryEvent);
    engine_.send(session, sent.text);
    for (const EngineWire& wire : sent.attachments) engine_.send(session, wire);
  }
  spaces_[space].application->recovered(now, socket);
  return true;
}

void SocketIo::leave(const Now& now, SioSocket at, bool may_recover) {
  Socket* s = sockets_.find(at);
  if (s == nullptr) return;
  const bool was_connected = !(s->client == SlotHandle{});
  const bool kept = may_recover && s->journal && options_.recovery_time.count() > 0;
  s->client = {};
  if (kept) {
    ++counters_.kept;
    s->journal->lost = true;
    s->journal->lost_until = now.mono + options_.recovery_time;
    ghosts_.push_back(Ghost{at, s->journal->lost_until});
  }
  if (was_connected) spaces_[s->space].application->disconnected(now, at, kept);
  if (!kept) return forget(at);
  expire(now.mono);
}

/// The end of the socket's name.
void SocketIo::forget(SioSocket at) {
  const Socket* s = sockets_.find(at);
  if (s == nullptr) return;
  if (s->journal) {
    by_pid_.erase(key_of(view(s->journal->pid)));
    if (s->journal->lost) --counters_.kept;
    counters_.kept_bytes -= s->journal->bytes;
    kept_messages_ -= s->journal->sent.size();
  }
  spaces_[s->space].application->forgotten(at);
  sockets_.erase(at);
}

}  // namespace ts::dialect
