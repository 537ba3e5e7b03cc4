// SPDX-License-Identifier: Apache-2.0
// A client that keeps the rules, while others do not: it must notice nothing.
#include <chrono>
#include <cstring>
#include <thread>

#include <sys/socket.h>

#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/channel_data.hpp>

#include "pipe.hpp"
#include "storm.hpp"

namespace ts::hostile {

namespace {

using namespace std::chrono_literals;
using A = stun::AttributeType;
using stun::Method;

constexpr std::uint16_t kChannel = 0x4321;
constexpr int kTries = 7;  // RFC 8489 §6.2.1: Rc

class Witness {
 public:
  explicit Witness(Storm& storm) : storm_(storm), account_(storm.target.accounts[1]) {
    socket_ = load::udp_socket({IpAddress::v4(127, 0, 0, 2), 0});
    load::connect_udp(socket_, {IpAddress::v4(127, 0, 0, 1), storm.ports.turn});
    peer_ = load::udp_socket({IpAddress::v4(127, 0, 0, 3), 0});
  }

  void run() {
    if (!set_up()) return storm_.fail("the witness got no allocation");
    for (std::uint64_t round = 1; !storm_.over && !storm_.failed(); ++round) {
      if (!binding()) return storm_.fail("the witness got no answer to a Binding request over UDP");
      if (!echo(round)) return storm_.fail("the witness's data did not come back");
      if (round % 20 == 0 && !binding_over_tcp()) return storm_.fail("the witness got no answer over TCP");
      if (round % 200 == 0 && !set_up()) return storm_.fail("the witness could not refresh");
      ++storm_.echoes;
      std::this_thread::sleep_for(25ms);
    }
    refresh(0);
  }

 private:
  template <class F>
  Bytes request(Method method, F&& add) {
    Bytes out(1024);
    stun::TransactionId id{};
    store_be64(id.data(), 0x817E550000000000U + ++count_);
    stun::MessageBuilder builder(out, stun::MessageClass::Request, method, id);
    add(builder);
    builder.add(A::Username, account_.user)
        .add(A::Realm, storm_.target.realm)
        .add(A::Nonce, challenge_.nonce)
        .add_integrity(account_.sha1);
    out.resize(builder.finish().size());
    return out;
  }

  /// The answer to the request, which is sent again while there is none.
  Answer exchange(const Bytes& message) {
    for (int i = 0; i < kTries; ++i) {
      if (send(socket_.get(), message.data(), message.size(), 0) < 0) continue;
      const auto until = std::chrono::steady_clock::now() + 500ms * (1 << std::min(i, 3));
      while (std::chrono::steady_clock::now() < until) {
        if (!load::wait_readable(socket_, 50)) continue;
        std::uint8_t buffer[2048];
        const ssize_t n = recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (n < 0) continue;
        const ByteView bytes(buffer, static_cast<std::size_t>(n));
        const Answer answer = read_answer(bytes, storm_.target, false);
        storm_.judge(answer, bytes, "witness");
        if (std::equal(answer.id.begin(), answer.id.end(), message.begin() + 4)) return answer;
      }
    }
    return {};
  }

  template <class F>
  bool ask(Method method, F&& add) {
    for (int i = 0; i < 3; ++i) {
      const Answer answer = exchange(request(method, add));
      if (answer.success) return true;
      if (method == Method::Allocate && answer.error == 437) return true;  // it lives already
      if (answer.challenge.nonce.empty()) break;
      challenge_ = answer.challenge;
    }
    return false;
  }

  bool refresh(std::uint32_t seconds) {
    return ask(Method::Refresh, [&](auto& b) { b.add_u32(A::Lifetime, seconds); });
  }
  bool set_up() {
    const Endpoint peer = load::local_endpoint(peer_);
    return ask(Method::Allocate, [](auto& b) { b.add_u32(A::RequestedTransport, 17U << 24); }) &&
           refresh(60) && ask(Method::ChannelBind, [&](auto& b) {
             b.add_channel_number(kChannel).add_xor_address(A::XorPeerAddress, peer);
           });
  }
  bool binding() {
    const Bytes message = Generator::binding(0x817E550000000000U + ++count_);
    return exchange(message).success;
  }
  bool binding_over_tcp() {
    Pipe pipe(Via::Tcp, storm_.ports.turn);
    const Bytes message = Generator::binding(++count_);
    if (!pipe.ok() || !pipe.write(message)) return false;
    const auto got = pipe.read(10'000);
    return got && got->size() >= 20 && std::equal(got->begin() + 4, got->begin() + 20, message.begin() + 4);
  }

  /// Through the relay to our peer and back; lost datagrams are sent again.
  bool echo(std::uint64_t round) {
    Bytes message(12);
    stun::write_channel_data_header(message.data(), kChannel, 8);
    store_be64(&message[4], round);
    for (int i = 0; i < 20; ++i) {
      if (send(socket_.get(), message.data(), message.size(), 0) < 0) continue;
      std::uint8_t buffer[2048];
      load::SocketAddress from;
      if (!load::wait_readable(peer_, 300)) continue;
      const ssize_t n = recvfrom(peer_.get(), buffer, sizeof buffer, MSG_DONTWAIT, from.get(), &from.size);
      if (n < 0 || sendto(peer_.get(), buffer, static_cast<std::size_t>(n), 0, from.get(), from.size) < 0)
        continue;
      if (!load::wait_readable(socket_, 300)) continue;
      const ssize_t back = recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (back == static_cast<ssize_t>(message.size()) &&
          std::memcmp(buffer, message.data(), message.size()) == 0)
        return true;
    }
    return false;
  }

  Storm& storm_;
  const Account& account_;
  load::Fd socket_;
  load::Fd peer_;
  Challenge challenge_;
  std::uint64_t count_ = 0;
};

}  // namespace

void witness(Storm& storm) { Witness(storm).run(); }

void echo(Storm& storm, int socket) {
  std::uint8_t buffer[65'536];
  while (!storm.over) {
    load::SocketAddress from;
    const ssize_t n = recvfrom(socket, buffer, sizeof buffer, 0, from.get(), &from.size);
    if (n < 0) {
      std::this_thread::sleep_for(5ms);
      continue;
    }
    if (sendto(socket, buffer, static_cast<std::size_t>(n), 0, from.get(), from.size) >= 0) ++storm.relayed;
  }
}

}  // namespace ts::hostile
