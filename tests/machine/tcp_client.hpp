// SPDX-License-Identifier: Apache-2.0
// A scripted client of TCP allocations (RFC 6062).
#pragma once

#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {

inline void tcp_transport(stun::MessageBuilder& b) {
  b.add_u32(AttributeType::RequestedTransport, std::uint32_t{stun::kTransportTcp} << 24);
}

/// A client with a TCP allocation, which opens data connections beside it.
struct TcpClient : Client {
  explicit TcpClient(World& w, const std::string& from = "192.12.0.1:40000",
                     Transport transport = Transport::Tcp, const std::string& user = "alice",
                     const std::string& pass = "wonder")
      : Client(w, from, transport, user, pass) {}

  template <class F>
  Answer allocate_tcp(F&& more) {
    Answer answer = request(Method::Allocate, [&](auto& b) { tcp_transport(b), more(b); });
    if (answer.code() == 0) relayed = answer.address(AttributeType::XorRelayedAddress);
    return answer;
  }
  Answer allocate_tcp() {
    return allocate_tcp([](auto&) {});
  }
  Answer connect(const Endpoint& peer) {
    return request(Method::Connect, [&](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, peer); });
  }
  Answer connection_bind(ConnectionId id) {
    return request(Method::ConnectionBind, [&](auto& b) { b.add_u32(AttributeType::ConnectionId, id); });
  }
  /// Connects to a peer that answers at once.
  ConnectionId connected(const Endpoint& peer) {
    EXPECT_TRUE(connect(peer).none());
    const ConnectionId id = world.connects.back().connection;
    const std::size_t before = world.to_clients.size();
    world.peer_connected(id);
    const Answer answer = answer_since(before);
    EXPECT_EQ(answer.code(), 0);
    EXPECT_EQ(answer.u32(AttributeType::ConnectionId), id);
    return id;
  }
};

}  // namespace ts::turn::testing
