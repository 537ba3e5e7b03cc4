// SPDX-License-Identifier: Apache-2.0
// TCP allocations (RFC 6062) over real sockets: a client with one, its data connections, and peers.
#pragma once

#include "turn_client.hpp"

namespace ts::shell_test {

inline constexpr const char* kOpenStreams = "turnstone_streams";

/// A connected TCP socket at the peer's end.
class PeerSocket {
 public:
  explicit PeerSocket(int fd = -1) : fd_(fd) {
    const timeval patience{15, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  PeerSocket(PeerSocket&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  PeerSocket& operator=(PeerSocket&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~PeerSocket() { close(); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  void end() { ::shutdown(fd_, SHUT_WR); }
  bool ok() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  bool send(ByteView bytes) {
    while (!bytes.empty()) {
      const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return true;
  }
  /// Exactly so many bytes, or fewer when the stream ends.
  Bytes receive(std::size_t size) {
    Bytes out(size);
    std::size_t got = 0;
    while (got < size) {
      const auto n = ::recv(fd_, out.data() + got, size - got, 0);
      if (n <= 0) break;
      got += static_cast<std::size_t>(n);
    }
    out.resize(got);
    return out;
  }
  /// 0: the other side has ended; else the errno, or -1 when there was data.
  int ending() {
    std::uint8_t byte = 0;
    const auto n = ::recv(fd_, &byte, 1, 0);
    return n == 0 ? 0 : n < 0 ? errno : -1;
  }
  Endpoint remote() const {
    SocketAddress address;
    ::getpeername(fd_, address.get(), &address.size);
    return address.endpoint();
  }

 private:
  int fd_;
};

/// A peer that listens.
class TcpPeer {
 public:
  explicit TcpPeer(std::string_view address = "127.0.0.1", int backlog = 128)
      : socket_(peer_socket(SOCK_STREAM, at(address))) {
    ::listen(socket_.fd(), backlog);
  }
  Endpoint local() const { return socket_.local(); }
  PeerSocket accept(std::chrono::milliseconds patience = kPatience) {
    return PeerSocket(socket_.readable(patience) ? ::accept(socket_.fd(), nullptr, nullptr) : -1);
  }

 private:
  Socket socket_;
};

/// A peer that connects.
inline PeerSocket call(const Endpoint& to) {
  Socket socket = peer_socket(SOCK_STREAM, Endpoint{IpAddress::any(to.address.family()), 0});
  return PeerSocket(socket.connect(to) ? socket.release() : -1);
}

inline std::optional<std::uint32_t> connection_id(const Bytes& message) {
  const auto m = stun::MessageView::parse(message);
  const auto value = m ? m->find(AttributeType::ConnectionId) : std::nullopt;
  return value ? stun::decode_u32(*value) : std::nullopt;
}

/// A client with a TCP allocation.
class TcpTurn : public TurnClient {
 public:
  TcpTurn(Via via, const Server& server, std::string_view host = "127.0.0.1")
      : TurnClient(via, server.listener(via, host)) {}

  int allocate_tcp(IpFamily family = IpFamily::V4) {
    const int code = request(Method::Allocate, [family](auto& b) {
      b.add_u32(AttributeType::RequestedTransport, std::uint32_t{stun::kTransportTcp} << 24);
      if (family == IpFamily::V6) b.add_u32(AttributeType::RequestedAddressFamily, 0x02000000);
    });
    if (code != 0) return code;
    const auto m = stun::MessageView::parse(answer());
    relayed =
        stun::decode_xor_address(*m->find(AttributeType::XorRelayedAddress), m->transaction_id()).value();
    return 0;
  }
  int connect(const Endpoint& peer) {
    return request(Method::Connect, [&](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, peer); });
  }
  std::uint32_t id() const { return connection_id(answer()).value_or(0); }
  struct Attempt {
    std::uint32_t id = 0;
    Endpoint peer;
  };
  std::optional<Attempt> attempt(std::chrono::milliseconds patience = kPatience) {
    const Bytes got = receive(Clock::now() + patience).value_or(Bytes{});
    const auto m = stun::MessageView::parse(got);
    if (!m || m->method() != Method::ConnectionAttempt) return std::nullopt;
    return Attempt{connection_id(got).value_or(0),
                   stun::decode_xor_address(*m->find(AttributeType::XorPeerAddress), m->transaction_id())
                       .value_or(Endpoint{})};
  }
};

/// A client data connection.
class DataStream : public TurnClient {
 public:
  DataStream(Via via, const Server& server, std::string_view host = "127.0.0.1",
             const Wire::Settings& settings = {})
      : TurnClient(via, server.listener(via, host), settings) {}
  int bind(std::uint32_t id) {
    const int code = request(Method::ConnectionBind, with(id));
    received_ = take_rest();
    return code;
  }
  /// The request and data behind it, in one segment.
  int bind_and_send(std::uint32_t id, ByteView data) {
    bind(0);  // gets a nonce
    Bytes both = make_request(Method::ConnectionBind, with(id));
    both.insert(both.end(), data.begin(), data.end());
    wire().write(both);
    const Bytes got = await_answer();
    received_ = take_rest();
    const auto m = stun::MessageView::parse(got);
    return m && m->message_class() == MessageClass::SuccessResponse ? 0 : -1;
  }
  Bytes receive_data(std::size_t size) {
    const auto deadline = Clock::now() + kPatience;
    while (received_.size() < size && Clock::now() < deadline) {
      if (wire().read(received_) == Wire::Read::End) break;
    }
    Bytes out(received_.begin(), received_.begin() + static_cast<long>(std::min(size, received_.size())));
    received_.erase(received_.begin(), received_.begin() + static_cast<long>(out.size()));
    return out;
  }

 private:
  static Fill with(std::uint32_t id) {
    return [id](auto& b) { b.add_u32(AttributeType::ConnectionId, id); };
  }
  Bytes received_;
};

/// A client, a peer that it has connected to, and the data connection that is bound to that.
struct Bridge {
  explicit Bridge(Via via, const Server& server, std::string_view host = "127.0.0.1")
      : client(via, server, host), listener(host), data(via, server, host) {
    EXPECT_EQ(client.allocate_tcp(at(host).address.family()), 0) << host;
    EXPECT_EQ(client.connect(listener.local()), 0) << host;
    peer = listener.accept();
    EXPECT_EQ(peer.remote(), client.relayed);
    EXPECT_EQ(data.bind(client.id()), 0) << host;
  }

  TcpTurn client;
  TcpPeer listener;
  PeerSocket peer;
  DataStream data;
};

/// Sends from both ends and compares.
inline void expect_relayed(DataStream& data, PeerSocket& peer, std::size_t size, std::uint32_t seed) {
  ASSERT_TRUE(data.wire().write(pattern(size, seed)));
  EXPECT_EQ(peer.receive(size), pattern(size, seed));
  ASSERT_TRUE(peer.send(pattern(size, seed + 1)));
  EXPECT_EQ(data.receive_data(size), pattern(size, seed + 1));
}

}  // namespace ts::shell_test
