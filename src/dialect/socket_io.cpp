// SPDX-License-Identifier: Apache-2.0
// Clients, their sockets in namespaces, and attachments. Every call of an application may end any client or
// socket: they are looked up again after it.
#include <algorithm>
#include <utility>

#include <turnstone/dialect/socket_io.hpp>

namespace ts::dialect {
namespace {

/// Of one session, before it is closed.
constexpr std::uint8_t kMaxRefusedConnects = 8;
/// Of an `auth` that may wait for an answer; longer ones are judged at once.
constexpr std::size_t kMaxWaitingAuthBytes = 16'384;
/// Answers to CONNECT of one session at once; later, one a second.
constexpr std::uint32_t kConnectBurst = 16;

}  // namespace

SocketIo::SocketIo(const SocketIoOptions& options, RandomSource& random)
    : options_(options),
      random_(random),
      hash_{random.number()},
      engine_(options, random, *this),
      by_pid_(0, hash_) {}

void SocketIo::add_namespace(std::string name, Application& application) {
  spaces_.push_back(Space{std::move(name), &application});
}

std::optional<std::uint32_t> SocketIo::space_of(std::string_view nsp) const noexcept {
  for (std::uint32_t i = 0; i < spaces_.size(); ++i) {
    if (spaces_[i].name == nsp) return i;
  }
  return std::nullopt;
}

SocketIo::Id SocketIo::new_id() {
  Id id{};
  base64url(random_.bytes<15>()).copy(id.data(), id.size());
  return id;
}

SocketIo::Client* SocketIo::client_of(EngineSession session, SlotHandle& at) {
  const std::uint64_t* user = engine_.user(session);
  if (user == nullptr) return nullptr;
  at = unpack(*user);
  return clients_.find(at);
}

SocketIo::Socket* SocketIo::in(Client& client, std::uint32_t space, SioSocket& at) {
  for (const SioSocket socket : client.sockets) {
    Socket* s = sockets_.find(socket);
    if (s == nullptr || s->space != space) continue;
    at = socket;
    return s;
  }
  return nullptr;
}

// What comes from below.

void SocketIo::engine_opened(const Now& now, EngineSession session) {
  const auto [at, client] = clients_.emplace();
  client.session = session;
  client.connect_due = now.mono + options_.connect_timeout;
  *engine_.user(session) = pack(at);
  connects_.push(client.connect_due, at);
  engine_.set_stranger(session, true);
}

void SocketIo::engine_message(const Now& now, EngineSession session, bool binary, std::string_view data) {
  SlotHandle at;
  Client* client = client_of(session, at);
  if (client == nullptr) return;
  Assembly* assembly = client->assembly.get();
  if (!binary) {
    const auto head = parse_sio_head(data);
    if (!head || assembly != nullptr) return refuse(now, at);
    ++counters_.received[static_cast<std::size_t>(head->type)];
    // Of somebody who has not been let in, nothing else is looked at, and nothing is kept.
    if (head->type != SioType::Connect) {
      SioSocket joined;
      const auto space = space_of(head->nsp);
      if (!space || in(*client, *space, joined) == nullptr) return refuse(now, at);
    }
    const auto packet = parse_sio_payload(*head);
    if (!packet) return refuse(now, at);
    if (packet->attachments == 0) return handle(now, at, *packet, {});
    client->assembly =
        std::make_unique<Assembly>(Assembly{std::string(data), packet->attachments, data.size(), {}});
    return;
  }
  if (assembly == nullptr || (assembly->bytes += data.size()) > options_.max_payload) return refuse(now, at);
  assembly->attachments.emplace_back(data);
  if (assembly->attachments.size() < assembly->wanted) return;
  const std::unique_ptr<Assembly> whole = std::move(client->assembly);
  const auto packet = parse_sio_packet(whole->text);
  if (packet) handle(now, at, *packet, whole->attachments);
}

void SocketIo::engine_alive(const Now& now, EngineSession session) {
  SlotHandle at;
  const Client* client = client_of(session, at);
  if (client == nullptr) return;
  const std::vector<SioSocket> sockets = client->sockets;
  for (const SioSocket socket : sockets) {
    if (const Socket* s = sockets_.find(socket)) spaces_[s->space].application->alive(now, socket);
  }
}

void SocketIo::engine_closed(const Now& now, EngineSession session, EngineEnd why) {
  SlotHandle at;
  Client* client = client_of(session, at);
  if (client == nullptr) return;
  if (client->waiting) {
    waiting_.erase(client->waiting->ticket);
    spaces_[client->waiting->space].application->gave_up(client->waiting->ticket);
  }
  const std::vector<SioSocket> sockets = std::move(client->sockets);
  for (const SioSocket socket : sockets) {
    Socket* s = sockets_.find(socket);
    if (s != nullptr && s->journal) s->journal->rates = client->rates;
  }
  clients_.erase(at);
  // A client that leaves says so to its namespaces first. Socket.IO's own clients close the engine alone to
  // look like a loss, which servers take for one.
  const bool lost = why == EngineEnd::TransportClose || why == EngineEnd::TransportError ||
                    why == EngineEnd::PingTimeout || why == EngineEnd::ClientClose;
  for (const SioSocket socket : sockets) leave(now, socket, lost);
}

/// What it sent is none of the protocol's packets, or out of place.
void SocketIo::refuse(const Now& now, SlotHandle at) {
  if (const Client* client = clients_.find(at)) engine_.close(now, client->session, EngineEnd::ParseError);
}

void SocketIo::handle(const Now& now, SlotHandle at, const SioPacket& packet,
                      std::span<const std::string> attachments) {
  if (packet.type == SioType::Connect) return handle_connect(now, at, packet);
  Client& client = *clients_.find(at);
  const auto space = space_of(packet.nsp);
  SioSocket socket;
  if (!space || in(client, *space, socket) == nullptr || packet.type == SioType::ConnectError) {
    return refuse(now, at);
  }
  if (packet.type == SioType::Disconnect) {
    std::erase(client.sockets, socket);
    return leave(now, socket, false);
  }
  // Nothing of ours asks for an acknowledgement.
  if (packet.type == SioType::Ack || packet.type == SioType::BinaryAck) return;
  json::Scanner in(packet.data.raw, kMaxSioDepth);
  in.enter('[');
  in.next(']');
  const json::Value name = in.value();
  std::string storage;
  SioEvent event;
  event.name = name.is(json::Kind::String) ? json::decode(name, storage) : name.raw;
  if (in.next(']')) {
    const char* from = in.value().raw.data();
    event.arguments = {from,
                       static_cast<std::size_t>(packet.data.raw.data() + packet.data.raw.size() - 1 - from)};
  }
  event.attachments = attachments;
  event.ack = packet.ack;
  spaces_[*space].application->event(now, socket, event);
}

// Joining.

void SocketIo::say(EngineSession session, SioType type, std::string_view nsp, std::string_view rest) {
  std::string text = "4";
  append_sio_head(text, type, 0, nsp, std::nullopt);
  text.append(rest);
  count(type);
  engine_.send(session, EngineWire{std::make_shared<const std::string>(std::move(text)), false});
}

void SocketIo::handle_connect(const Now& now, SlotHandle at, const SioPacket& packet) {
  Client& client = *clients_.find(at);
  const auto answered = [&](SioConnect how) { ++counters_.connects[static_cast<std::size_t>(how)]; };
  const auto space = space_of(packet.nsp);
  // Tries cost work, and answers wait for who does not fetch them.
  const auto too_many = [&] { return ++client.refused_connects > kMaxRefusedConnects; };
  if (client.connects.take(now.mono, 1, kConnectBurst) != Duration::zero()) return refuse(now, at);
  if (!space) {
    answered(SioConnect::UnknownNamespace);
    if (too_many()) return refuse(now, at);
    return say(client.session, SioType::ConnectError, packet.nsp, R"({"message":"Invalid namespace"})");
  }
  SioSocket present;
  if (in(client, *space, present) != nullptr) return refuse(now, at);
  const std::string_view auth = packet.data.absent() ? std::string_view("{}") : packet.data.raw;
  if (client.waiting) return refuse(now, at);
  if (auth.size() <= kMaxWaitingAuthBytes) {
    const SioTicket ticket = ++tickets_;
    const IpAddress from = engine_.address(client.session);
    if (spaces_[*space].application->must_wait(now, ticket, auth, from)) {
      client.waiting = std::make_unique<Waiting>(Waiting{ticket, *space, std::string(auth)});
      waiting_.emplace(ticket, at);
      return;
    }
  }
  answer_connect(now, at, *space, auth);
}

bool SocketIo::decide(const Now& now, SioTicket ticket) {
  const auto known = waiting_.find(ticket);
  if (known == waiting_.end()) return false;
  const SlotHandle at = known->second;
  waiting_.erase(known);
  const std::unique_ptr<Waiting> waiting = std::move(clients_.find(at)->waiting);
  answer_connect(now, at, waiting->space, waiting->auth);
  return true;
}

void SocketIo::answer_connect(const Now& now, SlotHandle at, std::uint32_t space, std::string_view auth) {
  Client& client = *clients_.find(at);
  const auto answered = [&](SioConnect how) { ++counters_.connects[static_cast<std::size_t>(how)]; };
  Application& application = *spaces_[space].application;
  if (const auto refusal = application.refuses(now, auth)) {
    answered(SioConnect::Refused);
    if (++client.refused_connects > kMaxRefusedConnects) return refuse(now, at);
    return say(client.session, SioType::ConnectError, spaces_[space].name, *refusal);
  }
  client.joined = true;
  engine_.set_stranger(client.session, false);
  if (recover(now, at, space, auth)) return answered(SioConnect::Recovered);
  if (clients_.find(at) == nullptr) return;  // the end of its ghost was its own
  answered(SioConnect::Accepted);
  join(now, at, space, auth);
}

void SocketIo::welcome(Client& client, const Socket& socket) {
  std::string text = R"({"sid":")" + std::string(view(socket.sid)) + '"';
  if (socket.journal) text += R"(,"pid":")" + std::string(view(socket.journal->pid)) + '"';
  say(client.session, SioType::Connect, spaces_[socket.space].name, text + "}");
}

bool SocketIo::is_connected(SioSocket socket) const noexcept {
  const Socket* s = sockets_.find(socket);
  return s != nullptr && clients_.find(s->client) != nullptr;
}

std::string_view SocketIo::sid(SioSocket socket) const noexcept {
  const Socket* s = sockets_.find(socket);
  return s == nullptr ? std::string_view() : view(s->sid);
}

std::uint64_t SocketIo::random_number() { return random_.number(); }

signal::ConnectionRates* SocketIo::rates(SioSocket socket) noexcept {
  const Socket* s = sockets_.find(socket);
  Client* client = s == nullptr ? nullptr : clients_.find(s->client);
  return client == nullptr ? nullptr : &client->rates;
}

IpAddress SocketIo::address(SioSocket socket) const noexcept {
  const Socket* s = sockets_.find(socket);
  const Client* client = s == nullptr ? nullptr : clients_.find(s->client);
  return client == nullptr ? IpAddress() : engine_.address(client->session);
}

std::uint64_t* SocketIo::user(SioSocket socket) noexcept {
  Socket* s = sockets_.find(socket);
  return s == nullptr ? nullptr : &s->user;
}

// Sending.

void SocketIo::emit(const Now& now, SioSocket socket, SioMessage& message) {
  Socket* s = sockets_.find(socket);
  if (s == nullptr) return;
  if (s->journal) {
    if (message.number_ == 0) {
      message.number_ = ++numbers_;
      std::string text = *message.plain_.bytes;
      text.insert(text.size() - 1, ",\"" + std::to_string(message.number_) + '"');
      message.numbered_.bytes = std::make_shared<const std::string>(std::move(text));
    }
    record(now, socket, *s->journal, message);
  }
  const Client* client = clients_.find(s->client);
  if (client == nullptr) return;
  count(message.attachments_.empty() ? SioType::Event : SioType::BinaryEvent);
  engine_.send(client->session, s->journal ? message.numbered_ : message.plain_);
  for (const EngineWire& bytes : message.attachments_) engine_.send(client->session, bytes);
}

void SocketIo::acknowledge(SioSocket socket, std::uint64_t ack, std::string_view arguments,
                           std::span<const std::string> attachments) {
  const Socket* s = sockets_.find(socket);
  const Client* client = s == nullptr ? nullptr : clients_.find(s->client);
  if (client == nullptr) return;
  const SioType type = attachments.empty() ? SioType::Ack : SioType::BinaryAck;
  std::string text = "4";
  append_sio_head(text, type, attachments.size(), spaces_[s->space].name, ack);
  text.append("[").append(arguments).append("]");
  count(type);
  engine_.send(client->session, EngineWire{std::make_shared<const std::string>(std::move(text)), false});
  for (const std::string& bytes : attachments) {
    engine_.send(client->session, EngineWire{std::make_shared<const std::string>(bytes), true});
  }
}

void SocketIo::probe(const Now& now, SioSocket socket) {
  const Socket* s = sockets_.find(socket);
  const Client* client = s == nullptr ? nullptr : clients_.find(s->client);
  if (client != nullptr) engine_.probe(now, client->session);
}

// Leaving.

void SocketIo::disconnect(const Now& now, SioSocket socket, bool transport) {
  const Socket* s = sockets_.find(socket);
  if (s == nullptr) return;
  Client* client = clients_.find(s->client);
  if (client == nullptr) return leave(now, socket, false);
  const EngineSession session = client->session;
  say(session, SioType::Disconnect, spaces_[s->space].name, {});
  std::erase(client->sockets, socket);
  leave(now, socket, false);
  if (transport) engine_.close(now, session, EngineEnd::ServerClose);
}

void SocketIo::drop(const Now& now, SioSocket socket) {
  const Socket* s = sockets_.find(socket);
  const Client* client = s == nullptr ? nullptr : clients_.find(s->client);
  if (client != nullptr) engine_.close(now, client->session, EngineEnd::Drain);
}

std::optional<TimePoint> SocketIo::next_deadline() const noexcept {
  std::optional<TimePoint> out = engine_.next_deadline();
  const auto connect = connects_.next();
  if (connect && (!out || *connect < *out)) out = connect;
  if (!ghosts_.empty() && (!out || ghosts_.front().until < *out)) out = ghosts_.front().until;
  return out;
}

void SocketIo::tick(const Now& now) {
  engine_.tick(now);
  while (const auto at = connects_.pop_due(now.mono)) {
    const Client* client = clients_.find(*at);
    if (client == nullptr || client->joined) continue;
    engine_.close(now, client->session, EngineEnd::ConnectTimeout);
  }
  expire(now.mono);
  trim(now);
}

SocketIoCounters SocketIo::counters() const noexcept {
  SocketIoCounters out = counters_;
  out.engine = engine_.counters();
  return out;
}

}  // namespace ts::dialect
