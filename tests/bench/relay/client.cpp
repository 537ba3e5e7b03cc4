// SPDX-License-Identifier: Apache-2.0
#include "client.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/framer.hpp>

namespace ts::load {

namespace {

using stun::AttributeType;
using stun::MessageBuilder;
using stun::MessageView;
using stun::Method;

constexpr int kTries = 6;
constexpr int kFirstTimeoutMs = 250;
constexpr int kHandshakeMs = 5000;
constexpr std::size_t kStreamBytes = 1 << 18;

struct Answer {
  std::vector<std::uint8_t> bytes;
  std::uint16_t error = 0;
  MessageView view() const { return *MessageView::parse(bytes); }
};

void send_all(Allocation& a, ByteView bytes) {
  if (a.transport != Transport::Udp) {
    queue(a, bytes);
    while (flush(a) > 0) wait_writable(a.socket, kFirstTimeoutMs);
    return;
  }
  while (send(a.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) {
    if (errno != EAGAIN && errno != ECONNREFUSED) die("send");
  }
}

/// The next whole message: a datagram, or a frame of the stream. Nothing when the time is up.
std::optional<std::vector<std::uint8_t>> receive(Allocation& a, int timeout_ms) {
  for (;;) {
    if (a.transport != Transport::Udp) {
      const auto frame = stun::next_frame(a.in);
      if (!frame) die("the server's stream is neither STUN nor ChannelData");
      if (frame->has_value()) {
        std::vector<std::uint8_t> message((*frame)->message.begin(), (*frame)->message.end());
        a.in.erase(a.in.begin(), a.in.begin() + static_cast<std::ptrdiff_t>((*frame)->consumed_bytes));
        return message;
      }
    }
    if (!wait_readable(a.socket, timeout_ms)) return std::nullopt;
    if (a.transport != Transport::Udp) {
      receive_stream(a);
      continue;
    }
    std::array<std::uint8_t, 2048> buffer;
    const ssize_t n = recv(a.socket.get(), buffer.data(), buffer.size(), 0);
    if (n >= 0) return std::vector<std::uint8_t>(buffer.begin(), buffer.begin() + n);
    if (errno != ECONNREFUSED && errno != EAGAIN) die("recv");
  }
}

/// One transaction with retransmissions, without a look at what the answer says.
Answer exchange(Allocation& a, ByteView request, const stun::TransactionId& id) {
  int timeout_ms = kFirstTimeoutMs;
  for (int attempt = 0; attempt < kTries; ++attempt, timeout_ms *= 2) {
    if (a.transport == Transport::Udp || attempt == 0) send_all(a, request);
    while (auto bytes = receive(a, timeout_ms)) {
      Answer answer{std::move(*bytes)};
      const auto view = MessageView::parse(answer.bytes);
      if (!view || view->transaction_id() != id) continue;
      answer.error = error_of(*view);
      return answer;
    }
  }
  errno = ETIMEDOUT;
  die("no answer to a request");
}

/// A transaction with the long-term mechanism: answers 401 and 438 with the nonce that came.
template <class AddAttributes>
Answer request(Allocation& a, const Credentials& credentials, Method method, AddAttributes&& add) {
  for (int round = 0; round < 4; ++round) {
    std::array<std::uint8_t, 1024> out{};
    const stun::TransactionId id = next_transaction_id();
    const bool was_signed = a.challenge.key.has_value();
    Answer answer = exchange(a, build_request(out, method, id, a.challenge, credentials, add), id);
    if (answer.error != 438 && (answer.error != 401 || was_signed)) return answer;
    if (!take_challenge(a.challenge, answer.view(), credentials)) return answer;
  }
  errno = 0;
  die("authentication goes round in circles");
}

void expect_success(const Answer& answer, const char* what) {
  if (answer.error == 0) return;
  std::fprintf(stderr, "turnload: %s was refused with %d\n", what, answer.error);
  std::exit(1);
}

void shake_hands(Allocation& a) {
  a.tls = std::make_unique<TlsSession>();
  std::array<std::uint8_t, 4096> buffer;
  for (;;) {
    const bool done = a.tls->handshake();
    a.tls->take_output(a.out);
    while (flush(a) > 0) wait_writable(a.socket, kFirstTimeoutMs);
    if (done) return;
    errno = ETIMEDOUT;
    if (!wait_readable(a.socket, kHandshakeMs)) die("the TLS handshake");
    const ssize_t n = recv(a.socket.get(), buffer.data(), buffer.size(), 0);
    if (n <= 0) die("the TLS handshake");
    a.tls->feed({buffer.data(), static_cast<std::size_t>(n)});
  }
}

}  // namespace

stun::TransactionId next_transaction_id() noexcept {
  static std::uint64_t counter = 0;
  static const std::uint64_t seed = now_ns();
  stun::TransactionId id{};
  store_be64(id.data(), mix64(seed, ++counter));
  store_be32(id.data() + 8, static_cast<std::uint32_t>(counter));
  return id;
}

void add_allocate(MessageBuilder& builder, IpFamily family) {
  const std::array<std::uint8_t, 4> udp{stun::kTransportUdp, 0, 0, 0};
  builder.add(AttributeType::RequestedTransport, ByteView(udp));
  const std::array<std::uint8_t, 4> v6{stun::kFamilyV6, 0, 0, 0};
  if (family == IpFamily::V6) builder.add(AttributeType::RequestedAddressFamily, ByteView(v6));
}

std::uint16_t error_of(const MessageView& view) {
  if (view.message_class() != stun::MessageClass::ErrorResponse) return 0;
  const auto value = view.find(AttributeType::ErrorCode);
  const auto error = value ? stun::decode_error_code(*value) : std::nullopt;
  return error ? error->code : std::uint16_t{999};
}

bool take_challenge(Challenge& challenge, const MessageView& view, const Credentials& credentials) {
  const auto realm = view.find(AttributeType::Realm);
  const auto nonce = view.find(AttributeType::Nonce);
  if (!realm || !nonce) return false;
  challenge.nonce = as_text(*nonce);
  if (challenge.key && challenge.realm == as_text(*realm)) return true;
  challenge.realm = as_text(*realm);
  const std::string colon = ":";
  const Md5Digest key = md5({as_bytes(credentials.user), as_bytes(colon), as_bytes(challenge.realm),
                             as_bytes(colon), as_bytes(credentials.password)});
  challenge.key.emplace(ByteView(key));
  return true;
}

void queue(Allocation& a, ByteView frame) {
  if (!a.tls) {
    a.out.insert(a.out.end(), frame.begin(), frame.end());
    return;
  }
  a.tls->encrypt(frame);
  a.tls->take_output(a.out);
}

std::size_t flush(Allocation& a) {
  std::size_t done = 0;
  while (done < a.out.size()) {
    const ssize_t n =
        send(a.socket.get(), a.out.data() + done, a.out.size() - done, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) die("send");
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  a.out.erase(a.out.begin(), a.out.begin() + static_cast<std::ptrdiff_t>(done));
  return a.out.size();
}

bool receive_stream(Allocation& a) {
  static std::vector<std::uint8_t> buffer(kStreamBytes);
  const ssize_t n = recv(a.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n < 0) die("recv");
  errno = 0;
  if (n == 0) die("the server closed a connection");
  const ByteView got(buffer.data(), static_cast<std::size_t>(n));
  if (!a.tls) {
    a.in.insert(a.in.end(), got.begin(), got.end());
    return true;
  }
  a.tls->feed(got);
  if (!a.tls->decrypt(a.in)) die("the server ended a TLS session");
  return true;
}

Allocation open_client(Transport transport, const Endpoint& local, const Endpoint& server) {
  Allocation a;
  a.transport = transport;
  if (transport == Transport::Udp) {
    a.socket = udp_socket(local);
    connect_udp(a.socket, server);
    return a;
  }
  a.socket = tcp_connection(local, server);
  if (transport == Transport::Tls) shake_hands(a);
  return a;
}

bool allocate(Allocation& a, const Credentials& credentials, IpFamily family) {
  const Answer answer =
      request(a, credentials, Method::Allocate, [family](MessageBuilder& b) { add_allocate(b, family); });
  if (answer.error == static_cast<std::uint16_t>(stun::ErrorCode::AllocationMismatch)) return false;
  expect_success(answer, "Allocate");
  const MessageView view = answer.view();
  const auto value = view.find(AttributeType::XorRelayedAddress);
  const auto relayed = value ? stun::decode_xor_address(*value, view.transaction_id()) : std::nullopt;
  if (!relayed) die("Allocate: no XOR-RELAYED-ADDRESS");
  a.relayed = *relayed;
  return true;
}

Allocation allocate(Transport transport, const Endpoint& local, const Endpoint& server,
                    const Credentials& credentials, IpFamily family) {
  for (int attempt = 0; attempt < 8; ++attempt) {
    Allocation a = open_client(transport, local, server);
    if (allocate(a, credentials, family)) return a;
  }
  errno = 0;
  die("Allocate is refused with 437 on every socket");
}

void bind_channel(Allocation& a, const Credentials& credentials, std::uint16_t channel,
                  const Endpoint& peer) {
  const Answer answer =
      request(a, credentials, Method::ChannelBind, [channel, &peer](MessageBuilder& builder) {
        builder.add_channel_number(channel).add_xor_address(AttributeType::XorPeerAddress, peer);
      });
  expect_success(answer, "ChannelBind");
  a.channel = channel;
}

void release(Allocation& a, const Credentials& credentials) {
  std::array<std::uint8_t, 1024> out{};
  send_all(a, build_request(out, Method::Refresh, next_transaction_id(), a.challenge, credentials,
                            [](MessageBuilder& builder) { builder.add_u32(AttributeType::Lifetime, 0); }));
}

}  // namespace ts::load
