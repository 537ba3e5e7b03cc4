// SPDX-License-Identifier: Apache-2.0
// Socket.IO v5: packets, and the machine that joins clients to namespaces on top of Engine.IO, puts binary
// attachments together and lets lost connections be recovered. Pure. One thread.
// Source: github.com/socketio/socket.io-protocol, and what its clients rely on.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/container/deque.hpp>

#include <turnstone/base/rate_gate.hpp>
#include <turnstone/dialect/engine_io.hpp>
#include <turnstone/dialect/json.hpp>
#include <turnstone/signal/rate_limiter.hpp>

namespace ts::dialect {

/// Attachments of one packet.
inline constexpr std::uint32_t kMaxSioAttachments = 10;
/// Nested arrays and objects in a packet.
inline constexpr unsigned kMaxSioDepth = 64;

/// One packet without its attachments; views into the text.
struct SioPacket {
  SioType type = SioType::Connect;
  std::uint32_t attachments = 0;
  std::string_view nsp = "/";
  std::optional<std::uint64_t> ack;
  /// Absent, or of the kind that the type asks for.
  json::Value data;
};

/// Appends the head of a packet, without "4" and payload.
void append_sio_head(std::string& out, SioType type, std::size_t attachments, std::string_view nsp,
                     std::optional<std::uint64_t> ack);

/// A packet up to its payload, which was not looked at; views into the text.
struct SioHead {
  SioType type = SioType::Connect;
  std::uint32_t attachments = 0;
  std::string_view nsp = "/";
  std::optional<std::uint64_t> ack;
  std::string_view payload;
};

/// Nothing: no packet begins so. Costs no more than the head is long.
std::optional<SioHead> parse_sio_head(std::string_view text) noexcept;

/// The rest of it, checked as parse_sio_packet() does.
std::optional<SioPacket> parse_sio_payload(const SioHead& head);

/// Checks the text to its last byte: form, JSON, the payload that the type asks for, reserved names of
/// events, and that placeholders name attachments. Nothing: it is no packet.
std::optional<SioPacket> parse_sio_packet(std::string_view text);

/// An event as an application gets it; everything is valid during the call only.
struct SioEvent {
  std::string_view name;
  /// All arguments as raw JSON, with commas between them; empty: none.
  std::string_view arguments;
  std::span<const std::string> attachments;
  std::optional<std::uint64_t> ack;

  /// The argument of that number, from 0; absent when there are fewer.
  json::Value argument(std::size_t number) const noexcept;
};

/// An event on its way to one or many; made once, encoded once.
class SioMessage {
 public:
  /// `arguments`: raw JSON with commas between them; may be empty.
  SioMessage(std::string_view nsp, std::string_view name, std::string_view arguments,
             std::span<const std::string> attachments = {});

 private:
  friend class SocketIo;

  EngineWire plain_;
  /// With its offset as one more argument; made when somebody needs it.
  EngineWire numbered_;
  std::uint64_t number_ = 0;
  std::vector<EngineWire> attachments_;
};

/// One client in one namespace; keeps its name while its connection is lost and may be recovered.
using SioSocket = SlotHandle;

/// A client that waits to be let in. Never used again.
using SioTicket = std::uint64_t;

class SocketIo final : public EngineIo::Upper {
 public:
  /// What a namespace does. Calls may emit, acknowledge and disconnect as they like.
  class Application {
   public:
    Application() = default;
    Application(const Application&) = delete;
    Application& operator=(const Application&) = delete;
    virtual ~Application() = default;
    /// True when it takes a while to say whether somebody with this `auth` may come in. SocketIo::decide() is
    /// then to be called with the ticket, not before this returns, unless gave_up() was.
    virtual bool must_wait(const Now& /*now*/, SioTicket /*ticket*/, std::string_view /*auth*/,
                           const IpAddress& /*client*/) {
      return false;
    }
    /// The client that waits has gone.
    virtual void gave_up(SioTicket /*ticket*/) {}
    /// May somebody with this `auth` (a JSON object; "{}" when none was sent) come in? Else a JSON object
    /// with `message`. If so, the next call is about the same client: may_recover() or connected().
    virtual std::optional<std::string> refuses(const Now& now, std::string_view auth) = 0;
    /// It is in, and was told so.
    virtual void connected(const Now& now, SioSocket socket, std::string_view auth) = 0;
    virtual void event(const Now& now, SioSocket socket, const SioEvent& event) = 0;
    /// Its client is there.
    virtual void alive(const Now& /*now*/, SioSocket /*socket*/) {}
    /// Its connection is gone. With `may_recover` it may come back, and what is emitted to it is kept.
    virtual void disconnected(const Now& now, SioSocket socket, bool may_recover) = 0;
    /// May this socket, whose connection was lost or is about to be, go on as the client that was just not
    /// refused? It knows the secret of the socket.
    virtual bool may_recover(const Now& /*now*/, SioSocket /*socket*/) { return true; }
    /// It is back; what it missed was sent.
    virtual void recovered(const Now& /*now*/, SioSocket /*socket*/) {}
    /// It will not come back: the end of its name.
    virtual void forgotten(SioSocket /*socket*/) {}
  };

  /// Copies the options; `random` must outlive this object.
  SocketIo(const SocketIoOptions& options, RandomSource& random);

  /// Before the first client. `name` begins with '/'; the application must outlive this object.
  void add_namespace(std::string name, Application& application);

  /// What the shell talks to.
  EngineIo& engine() noexcept { return engine_; }

  // For applications. Sockets that are gone are ignored.

  /// Goes on with a client that must_wait(): asks refuses() about it. False: it is gone.
  bool decide(const Now& now, SioTicket ticket);

  void emit(const Now& now, SioSocket socket, SioMessage& message);
  /// `arguments` as in SioMessage.
  void acknowledge(SioSocket socket, std::uint64_t ack, std::string_view arguments,
                   std::span<const std::string> attachments = {});
  /// Puts the socket out of its namespace, or (`transport`) the client out altogether. The application is
  /// told by disconnected() before this returns.
  void disconnect(const Now& now, SioSocket socket, bool transport);
  /// Ends the client's connection without a word, so that it comes back by itself.
  void drop(const Now& now, SioSocket socket);
  /// Has the client show that it is there: alive() follows soon if it is.
  void probe(const Now& now, SioSocket socket);
  /// 20 characters; empty when it is gone.
  std::string_view sid(SioSocket socket) const noexcept;
  bool is_connected(SioSocket socket) const noexcept;
  /// How fast messages of the client's connection may come, in whatever namespace, and also when it leaves
  /// and joins again; null when there is no connection. Its place is the application's to set.
  signal::ConnectionRates* rates(SioSocket socket) noexcept;
  /// Where the client's connection comes from; unspecified when there is none.
  IpAddress address(SioSocket socket) const noexcept;
  /// A number of the application's own, 0 at first; null when the socket is gone.
  std::uint64_t* user(SioSocket socket) noexcept;

  /// For tables that strangers fill.
  std::uint64_t random_number();

  std::optional<TimePoint> next_deadline() const noexcept;
  void tick(const Now& now);
  /// Engine's counters are in it.
  SocketIoCounters counters() const noexcept;

  // EngineIo::Upper.
  void engine_opened(const Now& now, EngineSession session) override;
  void engine_message(const Now& now, EngineSession session, bool binary, std::string_view data) override;
  void engine_alive(const Now& now, EngineSession session) override;
  void engine_closed(const Now& now, EngineSession session, EngineEnd why) override;

 private:
  using Id = std::array<char, 20>;
  static std::string_view view(const Id& id) noexcept { return {id.data(), id.size()}; }

  /// A binary packet whose attachments are still coming.
  struct Assembly {
    std::string text;
    std::uint32_t wanted = 0;
    std::size_t bytes = 0;
    std::vector<std::string> attachments;
  };
  /// A CONNECT that waits for its application.
  struct Waiting {
    SioTicket ticket = 0;
    std::uint32_t space = 0;
    std::string auth;
  };
  struct Client {
    EngineSession session;
    bool joined = false;
    std::uint8_t refused_connects = 0;
    RateGate connects;
    signal::ConnectionRates rates;
    TimePoint connect_due{};
    std::vector<SioSocket> sockets;
    std::unique_ptr<Assembly> assembly;
    std::unique_ptr<Waiting> waiting;
  };
  struct Sent {
    std::uint64_t number = 0;
    TimePoint at{};
    EngineWire text;
    std::vector<EngineWire> attachments;
    std::size_t bytes() const noexcept;
  };
  /// What recovery needs of one socket.
  struct Journal {
    Id pid{};
    signal::ConnectionRates rates;  // of the connection that was lost
    /// Unlike the standard's it has no memory while it is empty, as most are.
    boost::container::deque<Sent> sent;
    std::size_t bytes = 0;
    /// The last number that is not kept any more.
    std::uint64_t dropped = 0;
    bool lost = false;
    TimePoint lost_until{};
  };
  struct Socket {
    SlotHandle client;
    std::uint32_t space = 0;
    Id sid{};
    std::uint64_t user = 0;
    std::unique_ptr<Journal> journal;
  };
  /// A message in somebody's journal, and somebody who is lost; in a queue that is looked through from its
  /// front, where those that mean nothing any more are passed over.
  struct Kept {
    SioSocket socket;
    std::uint64_t number = 0;
  };
  struct Ghost {
    SioSocket socket;
    TimePoint until{};
  };
  struct Space {
    std::string name;
    Application* application = nullptr;
  };
  struct Hash {
    using is_avalanching = void;
    std::uint64_t seed = 0;
    std::size_t operator()(std::uint64_t number) const noexcept { return mix64(number, seed); }
  };

  Client* client_of(EngineSession session, SlotHandle& at);
  Socket* in(Client& client, std::uint32_t space, SioSocket& at);
  std::optional<std::uint32_t> space_of(std::string_view nsp) const noexcept;
  void handle(const Now& now, SlotHandle client, const SioPacket& packet,
              std::span<const std::string> attachments);
  void handle_connect(const Now& now, SlotHandle client, const SioPacket& packet);
  void answer_connect(const Now& now, SlotHandle client, std::uint32_t space, std::string_view auth);
  void join(const Now& now, SlotHandle client, std::uint32_t space, std::string_view auth);
  bool recover(const Now& now, SlotHandle client, std::uint32_t space, std::string_view auth);
  void welcome(Client& client, const Socket& socket);
  void leave(const Now& now, SioSocket at, bool may_recover);
  void forget(SioSocket at);
  void refuse(const Now& now, SlotHandle client);
  void say(EngineSession session, SioType type, std::string_view nsp, std::string_view rest);
  void record(const Now& now, SioSocket at, Journal& journal, const SioMessage& message);
  void trim(const Now& now);
  void drop_front(Journal& journal);
  void expire(TimePoint now);
  bool is_due(const Ghost& ghost) const noexcept;
  void count(SioType type) noexcept { ++counters_.sent[static_cast<std::size_t>(type)]; }
  Id new_id();

  const SocketIoOptions options_;
  RandomSource& random_;
  Hash hash_;
  EngineIo engine_;
  std::vector<Space> spaces_;
  SlotMap<Client> clients_;
  SlotMap<Socket> sockets_;
  boost::unordered_flat_map<std::uint64_t, SioSocket, Hash> by_pid_;
  DeadlineQueue<SlotHandle> connects_;
  std::deque<Ghost> ghosts_;
  std::deque<Kept> order_;
  std::size_t kept_messages_ = 0;
  std::uint64_t numbers_ = 0;
  SioTicket tickets_ = 0;
  boost::unordered_flat_map<SioTicket, SlotHandle> waiting_;
  SocketIoCounters counters_;
};

}  // namespace ts::dialect
