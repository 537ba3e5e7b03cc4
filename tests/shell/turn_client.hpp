// SPDX-License-Identifier: Apache-2.0
// What tests of the whole server need: the server in this process, a small blocking TURN client on UDP, TCP,
// TLS and DTLS, a peer, and an HTTP client. Every wait has an end; nothing has a fixed port.
#pragma once

#include <chrono>
#include <csignal>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <dirent.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <turnstone/app/logging.hpp>
#include <turnstone/app/runtime.hpp>
#include <turnstone/auth/credentials.hpp>
#include <turnstone/net/clock.hpp>
#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/channel_data.hpp>
#include <turnstone/stun/framer.hpp>
#include <turnstone/stun/integrity.hpp>

namespace ts::shell_test {

using namespace std::chrono_literals;
using stun::AttributeType;
using stun::MessageClass;
using stun::Method;
using Bytes = std::vector<std::uint8_t>;
using Clock = std::chrono::steady_clock;

/// How long a thing that must happen may take on a busy machine, and a thing that must not is waited for.
inline constexpr std::chrono::milliseconds kPatience{15'000};
inline constexpr std::chrono::milliseconds kSilence{100};
/// The first channel number (RFC 8656 §12).
inline constexpr std::uint16_t kChannel = 0x4000;
/// Counts streams that were not let in.
inline constexpr const char* kRefused = "turnstone_streams_refused_total";

inline Endpoint at(std::string_view address, std::uint16_t port = 0) {
  return Endpoint{IpAddress::parse(address).value(), port};
}

struct SocketAddress {
  explicit SocketAddress(const Endpoint& e) {
    if (e.address.is_v4()) {
      auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
      v4.sin_family = AF_INET, v4.sin_port = htons(e.port), size = sizeof v4;
      std::memcpy(&v4.sin_addr, e.address.bytes().data(), 4);
    } else {
      auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
      v6.sin6_family = AF_INET6, v6.sin6_port = htons(e.port), size = sizeof v6;
      std::memcpy(&v6.sin6_addr, e.address.bytes().data(), 16);
    }
  }
  SocketAddress() = default;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  Endpoint endpoint() const {
    if (storage.ss_family == AF_INET) {
      const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
      return {IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&v4.sin_addr), 4}),
              ntohs(v4.sin_port)};
    }
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    return {IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&v6.sin6_addr), 16}),
            ntohs(v6.sin6_port)};
  }
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
};

/// An owned socket. -1 when it could not be had.
class Socket {
 public:
  Socket() = default;
  Socket(int type, const Endpoint& local, int receive_buffer = 0)
      : fd_(::socket(local.address.is_v4() ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0)) {
    if (receive_buffer != 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    SocketAddress address(local);
    if (::bind(fd_, address.get(), address.size) != 0) reset();
  }
  Socket(Socket&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  Socket& operator=(Socket&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~Socket() { reset(); }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  /// Gives up the descriptor, which is the caller's then.
  int release() { return std::exchange(fd_, -1); }
  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  Endpoint local() const {
    SocketAddress address;
    ::getsockname(fd_, address.get(), &address.size);
    return address.endpoint();
  }
  bool connect(const Endpoint& to) {
    SocketAddress address(to);
    return ::connect(fd_, address.get(), address.size) == 0;
  }
  /// False: nothing to read in that time.
  bool readable(std::chrono::milliseconds patience) const {
    pollfd p{fd_, POLLIN, 0};
    return ::poll(&p, 1, static_cast<int>(patience.count())) > 0;
  }

 private:
  int fd_ = -1;
};

/// A socket of a peer. A server refuses peers whose port is one of its own, of either protocol, and the
/// kernel may choose such a one.
inline Socket peer_socket(int type, const Endpoint& local, int receive_buffer = 0) {
  const int other = type == SOCK_DGRAM ? SOCK_STREAM : SOCK_DGRAM;
  Socket out(type, local, receive_buffer);
  while (local.port == 0 && out && !Socket(other, out.local())) out = Socket(type, local, receive_buffer);
  return out;
}

struct Datagram {
  Endpoint from;
  Bytes bytes;
};

/// A UDP socket: somebody's peer, or below a TURN client.
class UdpSocket {
 public:
  explicit UdpSocket(const Endpoint& local) : socket_(peer_socket(SOCK_DGRAM, local, 4 << 20)) {}
  void send(const Endpoint& to, ByteView bytes) {
    SocketAddress address(to);
    ::sendto(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL, address.get(), address.size);
  }
  std::optional<Datagram> receive(std::chrono::milliseconds patience = kPatience) {
    if (!socket_.readable(patience)) return std::nullopt;
    Datagram out;
    out.bytes.resize(65'536);
    SocketAddress from;
    const auto n =
        ::recvfrom(socket_.fd(), out.bytes.data(), out.bytes.size(), MSG_DONTWAIT, from.get(), &from.size);
    if (n < 0) return std::nullopt;
    out.bytes.resize(static_cast<std::size_t>(n));
    out.from = from.endpoint();
    return out;
  }
  Endpoint local() const { return socket_.local(); }
  bool ok() const { return static_cast<bool>(socket_); }
  int fd() const { return socket_.fd(); }

 private:
  Socket socket_;
};

inline bool has_v6() { return UdpSocket(at("::1")).ok(); }

/// A connected stream, plain or TLS.
class Wire {
 public:
  struct Settings {
    bool tls = false;
    int receive_buffer = 0;
    std::string alpn = {};  // in ALPN's wire form
    std::optional<IpAddress> source = {};
    std::string before_tls = {};
  };
  Wire(const Endpoint& server, const Settings& settings)
      : socket_(SOCK_STREAM, Endpoint{settings.source.value_or(server.address), 0}, settings.receive_buffer) {
    std::signal(SIGPIPE, SIG_IGN);
    const timeval patience{15, 0};
    ::setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const int on = 1;
    ::setsockopt(socket_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ok_ = socket_.connect(server);
    if (ok_ && !settings.before_tls.empty()) write(settings.before_tls);
    if (ok_ && settings.tls) begin_tls(settings.alpn);
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire() { close(); }

  void begin_tls(const std::string& alpn = {}) {
    static SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    tls_ = SSL_new(context);
    SSL_set_fd(tls_, socket_.fd());
    if (!alpn.empty()) {
      SSL_set_alpn_protos(tls_, reinterpret_cast<const unsigned char*>(alpn.data()),
                          static_cast<unsigned>(alpn.size()));
    }
    ok_ = SSL_connect(tls_) == 1;
  }
  void close() {
    if (tls_ != nullptr) {
      if (ok_) SSL_shutdown(tls_);
      SSL_free(std::exchange(tls_, nullptr));
    }
    socket_.reset();
  }
  bool ok() const { return ok_; }
  Socket& socket() { return socket_; }
  SSL* tls() { return tls_; }
  std::string alpn() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(tls_, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }

  bool write(ByteView bytes) {
    while (!bytes.empty()) {
      const auto n = tls_ != nullptr ? SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()))
                                     : ::send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return true;
  }
  bool write(std::string_view text) { return write(as_bytes(text)); }

  enum class Read { Some, Nothing, End };
  /// Appends what is there, waiting for at least one byte.
  Read read(Bytes& to, std::chrono::milliseconds patience = kPatience) {
    if ((tls_ == nullptr || SSL_pending(tls_) == 0) && !socket_.readable(patience)) return Read::Nothing;
    const std::size_t before = to.size();
    to.resize(before + 65'536);
    const auto n = tls_ != nullptr ? SSL_read(tls_, to.data() + before, 65'536)
                                   : ::recv(socket_.fd(), to.data() + before, 65'536, 0);
    to.resize(before + static_cast<std::size_t>(std::max<long>(n, 0)));
    return n > 0 ? Read::Some : Read::End;
  }
  /// True when the server ends the stream in that time; what comes before is dropped.
  bool ends(std::chrono::milliseconds patience = kPatience) {
    const auto deadline = Clock::now() + patience;
    Bytes dropped;
    while (Clock::now() < deadline) {
      const Read got =
          read(dropped, std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()) + 1ms);
      if (got == Read::End) return true;
      dropped.clear();
    }
    return false;
  }
  /// The answer to a GET that ends the connection, whole.
  std::string get(std::string_view path) {
    write("GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    Bytes out;
    while (read(out) == Read::Some) {
    }
    return std::string(as_text(out));
  }

 private:
  Socket socket_;
  SSL* tls_ = nullptr;
  bool ok_ = false;
};

/// A DTLS association over a UDP socket. `passes` may lose datagrams on purpose.
class DtlsWire {
 public:
  explicit DtlsWire(const Endpoint& server, std::shared_ptr<UdpSocket> socket = nullptr)
      : server_(server), socket_(std::move(socket)) {
    static SSL_CTX* const context = SSL_CTX_new(DTLS_client_method());
    if (!socket_) socket_ = std::make_shared<UdpSocket>(at(server.address.is_v4() ? "127.0.0.1" : "::1"));
    tls_ = SSL_new(context);
    SSL_set_bio(tls_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(tls_), -1);
    SSL_set_options(tls_, SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(tls_, 1200);
    SSL_set_connect_state(tls_);
  }
  DtlsWire(const DtlsWire&) = delete;
  DtlsWire& operator=(const DtlsWire&) = delete;
  ~DtlsWire() { SSL_free(tls_); }

  /// True once the association is established.
  bool handshake(std::chrono::milliseconds patience = kPatience) {
    const auto deadline = Clock::now() + patience;
    while (Clock::now() < deadline && !failed_) {
      step();
      if (ok()) return true;
      pull(20ms);
    }
    return false;
  }
  /// One turn of a handshake without waiting.
  void step() {
    ERR_clear_error();  // or another session's error is taken for ours
    const int result = SSL_do_handshake(tls_);
    failed_ = result <= 0 && SSL_get_error(tls_, result) == SSL_ERROR_SSL;
    if (!ok()) DTLSv1_handle_timeout(tls_);
    flush();
  }
  bool ok() const { return SSL_is_init_finished(tls_) == 1; }
  bool write(ByteView bytes) {
    const bool done = SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size())) > 0;
    flush();
    return done;
  }
  /// The next record's bytes.
  std::optional<Bytes> read(std::chrono::milliseconds patience = kPatience) {
    const auto deadline = Clock::now() + patience;
    Bytes out(65'536);
    for (;;) {
      ERR_clear_error();
      const int size = SSL_read(tls_, out.data(), static_cast<int>(out.size()));
      flush();
      if (size > 0) {
        out.resize(static_cast<std::size_t>(size));
        return out;
      }
      failed_ = failed_ || SSL_get_error(tls_, size) == SSL_ERROR_SSL;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
      if (failed_ || closed_by_server() || !pull(std::max(left, 0ms))) return std::nullopt;
    }
  }
  /// True when the server says close_notify in that time.
  bool ends(std::chrono::milliseconds patience = kPatience) {
    const auto deadline = Clock::now() + patience;
    while (!closed_by_server() && !failed_ && Clock::now() < deadline) read(50ms);
    return closed_by_server();
  }
  bool closed_by_server() const { return (SSL_get_shutdown(tls_) & SSL_RECEIVED_SHUTDOWN) != 0; }
  /// A fatal alert came, or what broke the protocol.
  bool failed() const { return failed_; }
  void close_notify() { SSL_shutdown(tls_), flush(); }
  /// Sends what the session has written, as one datagram.
  void flush() {
    Bytes out(65'536);
    const int size = BIO_read(SSL_get_wbio(tls_), out.data(), static_cast<int>(out.size()));
    if (size <= 0) return;
    out.resize(static_cast<std::size_t>(size));
    if (passes && !passes(true, out)) return;
    socket_->send(server_, out);
  }
  /// Takes one datagram in; false: none came.
  bool pull(std::chrono::milliseconds patience) {
    const auto got = socket_->receive(patience);
    if (!got) return false;
    last_from = got->from;
    if (!passes || passes(false, got->bytes))
      BIO_write(SSL_get_rbio(tls_), got->bytes.data(), static_cast<int>(got->bytes.size()));
    return true;
  }
  SSL* ssl() { return tls_; }
  const std::shared_ptr<UdpSocket>& socket() const { return socket_; }

  /// Asked for each datagram, first those of the client (true), then those of the server; false: it is lost.
  std::function<bool(bool, ByteView)> passes;
  Endpoint last_from;

 private:
  Endpoint server_;
  std::shared_ptr<UdpSocket> socket_;
  SSL* tls_ = nullptr;
  bool failed_ = false;
};

enum class Via { Udp, Tcp, Tls, Dtls };
inline const char* name(Via via) {
  constexpr const char* kNames[] = {"udp", "tcp", "tls", "dtls"};
  return kNames[static_cast<std::size_t>(via)];
}

/// Data that came through the relay: on a channel, or (channel 0) as an indication.
struct Received {
  std::uint16_t channel = 0;
  Endpoint peer;
  Bytes bytes;
};

class TurnClient {
 public:
  TurnClient(Via via, const Endpoint& server, const Wire::Settings& settings = {})
      : via_(via), server_(server) {
    if (via == Via::Udp) {
      const bool v4 = server.address.is_v4();
      udp_ = std::make_unique<UdpSocket>(at(v4 ? "127.0.0.1" : "::1"));
    } else if (via == Via::Dtls) {
      dtls_ = std::make_shared<DtlsWire>(server);
      dtls_->handshake();
    } else {
      Wire::Settings s = settings;
      s.tls = via == Via::Tls;
      wire_ = std::make_unique<Wire>(server, s);
    }
    key_ = auth::long_term_key(user, "turnstone", password);
  }
  /// Over an association of the test's.
  TurnClient(Via via, std::shared_ptr<DtlsWire> dtls) : via_(via), dtls_(std::move(dtls)) {
    dtls_->handshake();
    key_ = auth::long_term_key(user, "turnstone", password);
  }
  TurnClient(Via via, const Endpoint& server, std::shared_ptr<UdpSocket> socket)
      : TurnClient(via, std::make_shared<DtlsWire>(server, std::move(socket))) {}

  static constexpr const char* user = "alice";
  static constexpr const char* password = "wonderland";

  /// With other credentials from now on.
  void log_in(std::string name, std::string_view secret) {
    name_ = std::move(name);
    key_ = auth::long_term_key(name_, "turnstone", secret);
  }

  bool ok() const { return udp_ ? udp_->ok() : dtls_ ? dtls_->ok() : wire_->ok(); }
  Wire& wire() { return *wire_; }
  UdpSocket& udp() { return *udp_; }
  DtlsWire& dtls() { return *dtls_; }
  /// Ends the stream or the socket without a word.
  void close() { udp_.reset(), wire_.reset(), dtls_.reset(); }
  /// Says the last that it has to say (FIN, and TLS's close_notify), and may still receive.
  void end_sending() {
    if (wire_->tls() != nullptr) SSL_shutdown(wire_->tls());
    ::shutdown(wire_->socket().fd(), SHUT_WR);
  }

  using Fill = std::function<void(stun::MessageBuilder&)>;

  stun::TransactionId new_id() {
    random_.fill(id_);
    return id_;
  }
  /// A request with credentials once the server has given its nonce.
  Bytes make_request(Method method, const Fill& fill = {}) {
    Bytes out(2048);
    stun::MessageBuilder b(out, MessageClass::Request, method, new_id());
    if (fill) fill(b);
    if (!nonce_.empty() && method != Method::Binding) {
      b.add(AttributeType::Username, std::string_view(name_))
          .add(AttributeType::Realm, std::string_view("turnstone"))
          .add(AttributeType::Nonce, nonce_)
          .add_integrity(key_);
    }
    b.add_fingerprint();
    out.resize(b.finish().size());
    return out;
  }
  bool send(ByteView bytes) {
    if (dtls_) return dtls_->write(bytes);
    if (!udp_) return wire_->write(bytes);
    udp_->send(server_, bytes);
    return true;
  }
  /// The answer to the latest request; data that comes before it is kept for next(). Empty: none came.
  Bytes await_answer(std::chrono::milliseconds patience = kPatience) {
    const auto deadline = Clock::now() + patience;
    while (Clock::now() < deadline) {
      auto got = receive(deadline);
      if (!got) return {};
      if (const auto message = stun::MessageView::parse(*got)) {
        if (message->message_class() == MessageClass::Indication) {
          data_.push_back(std::move(*got));
        } else if (message->transaction_id() == id_) {
          return std::move(*got);
        }
      } else {
        data_.push_back(std::move(*got));
      }
    }
    return {};
  }
  /// 0: success; else the error code; -1: no answer. Gets a nonce on the way.
  int request(Method method, const Fill& fill = {}) {
    for (int round = 0; round < 3; ++round) {
      const Bytes asked = make_request(method, fill);
      send(asked);
      answer_ = await_answer();
      const auto m = stun::MessageView::parse(answer_);
      if (!m) return -1;
      if (m->message_class() == MessageClass::SuccessResponse) return 0;
      const auto error = stun::decode_error_code(m->find(AttributeType::ErrorCode).value_or(ByteView{}));
      const int code = error ? error->code : -2;
      if ((code != 401 && code != 438) || round == 2) return code;
      nonce_ = as_text(m->find(AttributeType::Nonce).value_or(ByteView{}));
    }
    return -1;
  }
  /// The latest answer that request() got, whole.
  const Bytes& answer() const { return answer_; }
  /// The address that the server saw; nothing: no answer.
  std::optional<Endpoint> binding() {
    return request(Method::Binding) == 0 ? xor_address(AttributeType::XorMappedAddress) : std::nullopt;
  }
  int allocate(IpFamily family = IpFamily::V4) {
    const int code = request(Method::Allocate, allocate_attributes(family));
    if (code == 0) relayed = xor_address(AttributeType::XorRelayedAddress).value();
    if (code == 0) mapped = xor_address(AttributeType::XorMappedAddress).value();
    return code;
  }
  static Fill allocate_attributes(IpFamily family) {
    return [family](stun::MessageBuilder& b) {
      b.add_u32(AttributeType::RequestedTransport, std::uint32_t{stun::kTransportUdp} << 24);
      if (family == IpFamily::V6) b.add_u32(AttributeType::RequestedAddressFamily, 0x02000000);
    };
  }
  int permit(const Endpoint& peer) {
    return request(Method::CreatePermission,
                   [&](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, peer); });
  }
  int bind(std::uint16_t channel, const Endpoint& peer) {
    return request(Method::ChannelBind, [&](auto& b) {
      b.add_channel_number(channel).add_xor_address(AttributeType::XorPeerAddress, peer);
    });
  }
  int refresh(std::uint32_t seconds) {
    return request(Method::Refresh, [&](auto& b) { b.add_u32(AttributeType::Lifetime, seconds); });
  }

  static Bytes indication(const Endpoint& peer, ByteView data) {
    Bytes out(data.size() + 128);
    stun::MessageBuilder b(out, MessageClass::Indication, Method::Send, stun::TransactionId{7});
    b.add_xor_address(AttributeType::XorPeerAddress, peer).add(AttributeType::Data, data);
    out.resize(b.finish().size());
    return out;
  }
  Bytes channel_frame(std::uint16_t channel, ByteView data) const {
    Bytes out(4 + (via_ == Via::Udp || via_ == Via::Dtls ? data.size() : stun::padded(data.size())));
    stun::write_channel_data_header(out.data(), channel, data.size());
    std::copy(data.begin(), data.end(), out.begin() + 4);
    return out;
  }
  bool send_indication(const Endpoint& peer, ByteView data) { return send(indication(peer, data)); }
  bool send_channel(std::uint16_t channel, ByteView data) { return send(channel_frame(channel, data)); }

  /// The next data from a peer.
  std::optional<Received> next(std::chrono::milliseconds patience = kPatience) {
    const auto deadline = Clock::now() + patience;
    for (;;) {
      Bytes raw;
      if (!data_.empty()) {
        raw = std::move(data_.front());
        data_.pop_front();
      } else {
        auto got = receive(deadline);
        if (!got) return std::nullopt;
        raw = std::move(*got);
      }
      Received out;
      if (const auto channel = stun::parse_channel_data(raw)) {
        out.channel = channel->channel;
        out.bytes.assign(channel->data.begin(), channel->data.end());
        return out;
      }
      const auto m = stun::MessageView::parse(raw);
      if (!m || m->method() != Method::Data) continue;
      const auto data = m->find(AttributeType::Data).value_or(ByteView{});
      out.peer = stun::decode_xor_address(m->find(AttributeType::XorPeerAddress).value_or(ByteView{}),
                                          m->transaction_id())
                     .value_or(Endpoint{});
      out.bytes.assign(data.begin(), data.end());
      return out;
    }
  }

  /// A whole message or frame.
  std::optional<Bytes> receive(Clock::time_point deadline) {
    const auto left = [&] {
      return std::max(std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()), 0ms);
    };
    if (udp_) {
      auto got = udp_->receive(left());
      if (!got) return std::nullopt;
      last_from = got->from;
      return std::move(got->bytes);
    }
    if (dtls_) return dtls_->read(left());
    for (;;) {
      const auto frame = stun::next_frame(stream_);
      if (!frame) return std::nullopt;
      if (frame->has_value()) {
        Bytes out((*frame)->message.begin(), (*frame)->message.end());
        stream_.erase(stream_.begin(), stream_.begin() + static_cast<long>((*frame)->consumed_bytes));
        return out;
      }
      if (wire_->read(stream_, left()) != Wire::Read::Some) return std::nullopt;
    }
  }

  /// Bytes of the stream that came behind the latest message.
  Bytes take_rest() { return std::exchange(stream_, {}); }

  Endpoint relayed;
  Endpoint mapped;
  /// Where the latest datagram came from.
  Endpoint last_from;

 private:
  std::string name_{user};
  std::optional<Endpoint> xor_address(AttributeType type) const {
    const auto m = stun::MessageView::parse(answer_);
    const auto value = m ? m->find(type) : std::nullopt;
    return value ? stun::decode_xor_address(*value, m->transaction_id()) : std::nullopt;
  }

  Via via_;
  Endpoint server_;
  std::unique_ptr<UdpSocket> udp_;
  std::unique_ptr<Wire> wire_;
  std::shared_ptr<DtlsWire> dtls_;
  HmacSha1Key key_;
  std::string nonce_;
  net::SystemRandom random_;
  stun::TransactionId id_{};
  Bytes answer_;
  Bytes stream_;
  std::deque<Bytes> data_;
};

/// Sends everything back, until it goes.
class EchoPeer {
 public:
  explicit EchoPeer(std::string_view address = "127.0.0.1") : socket_(at(address)) {
    local_ = socket_.local();
    thread_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        const auto got = socket_.receive(20ms);
        if (got) socket_.send(got->from, got->bytes);
      }
    });
  }
  Endpoint local() const { return local_; }

 private:
  UdpSocket socket_;
  Endpoint local_;
  std::jthread thread_;
};

/// Bytes that tell their size and a seed.
inline Bytes pattern(std::size_t size, std::uint32_t seed = 1) {
  Bytes out(size);
  for (std::uint8_t& byte : out) {
    seed = seed * 1'664'525 + 1'013'904'223;
    byte = static_cast<std::uint8_t>(seed >> 24);
  }
  return out;
}

/// Loopback of both families, ports of the kernel's choice, a user, a self-signed certificate.
inline config::Config loopback_config(std::uint32_t shards = 1) {
  config::Config out;
  out.dev = true;
  out.log.level = config::LogLevel::Off;
  out.net.bind = {*IpAddress::parse("127.0.0.1"), *IpAddress::parse("::1")};
  out.net.port = out.net.tls_port = out.net.dtls_port = out.net.http_port = 0;
  out.net.threads = shards;
  // The suite runs once for each way of moving datagrams, under different sanitizers.
  if (const char* engine = std::getenv("TS_TEST_ENGINE");
      engine != nullptr && engine == std::string_view("epoll"))
    out.net.udp_engine = net::UdpEngineKind::Epoll;
  out.auth.users = {{TurnClient::user, TurnClient::password}};
  return out;
}

/// The sum of the samples of a metric whose labels hold a text.
inline double sample(const std::string& exposition, std::string_view metric, std::string_view labels = {}) {
  double sum = 0;
  std::size_t start = 0;
  while (start < exposition.size()) {
    const std::size_t end = std::min(exposition.find('\n', start), exposition.size());
    const std::string_view line(exposition.data() + start, end - start);
    start = end + 1;
    if (!line.starts_with(metric)) continue;
    const char after = line.size() > metric.size() ? line[metric.size()] : '\0';
    if ((after != '{' && after != ' ') || line.find(labels) == std::string_view::npos) continue;
    sum += std::stod(std::string(line.substr(line.rfind(' ') + 1)));
  }
  return sum;
}

/// A server that runs.
class Server {
 public:
  explicit Server(config::Config config = loopback_config()) {
    std::signal(SIGPIPE, SIG_IGN);
    app::log::set_up(config.log);
    auto made = app::Runtime::make(std::move(config));
    for (const std::string& problem : made.problems) ADD_FAILURE() << problem;
    runtime = std::move(made.runtime);
    if (!runtime) std::abort();
    runtime->start();
  }
  Endpoint turn(std::string_view host = "127.0.0.1") const { return at(host, runtime->ports().turn); }
  Endpoint tls(std::string_view host = "127.0.0.1") const { return at(host, runtime->ports().tls); }
  Endpoint dtls(std::string_view host = "127.0.0.1") const { return at(host, runtime->ports().dtls); }
  Endpoint http(std::string_view host = "127.0.0.1") const { return at(host, runtime->ports().http); }
  /// The listener that the transport is for.
  Endpoint listener(Via via, std::string_view host = "127.0.0.1") const {
    return via == Via::Tls ? tls(host) : via == Via::Dtls ? dtls(host) : turn(host);
  }
  std::string metrics() const { return Wire(http(), {}).get("/metrics"); }
  double metric(std::string_view metric, std::string_view labels = {}) const {
    return sample(metrics(), metric, labels);
  }
  /// True once a metric has that value.
  bool settles(std::string_view metric_name, std::string_view labels, double value) const {
    const auto deadline = Clock::now() + kPatience;
    while (metric(metric_name, labels) != value) {
      if (Clock::now() > deadline) return false;
      std::this_thread::sleep_for(10ms);
    }
    return true;
  }

  std::unique_ptr<app::Runtime> runtime;
};

/// Open descriptors of this process.
inline std::size_t descriptor_count() {
  std::size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

}  // namespace ts::shell_test
