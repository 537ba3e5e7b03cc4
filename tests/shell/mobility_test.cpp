// SPDX-License-Identifier: Apache-2.0
// Mobility (RFC 8016) over real sockets: the allocation follows its client across shards and transports, and
// nothing is left behind.
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

config::Config mobile(std::uint32_t shards) {
  config::Config out = loopback_config(shards);
  out.turn.mobility = true;
  return out;
}

struct Reply {
  int code = -1;
  Bytes ticket;
};

/// One request with the server's nonce; the ticket in the answer, if any.
Reply exchange(TurnClient& client, Method method, const TurnClient::Fill& fill) {
  client.request(Method::Refresh);  // brings a nonce
  client.send(client.make_request(method, fill));
  const Bytes answer = client.await_answer();
  const auto m = stun::MessageView::parse(answer);
  if (!m) return {};
  Reply out;
  const auto error = m->find(AttributeType::ErrorCode);
  out.code = error ? stun::decode_error_code(*error).value().code : 0;
  const auto ticket = m->find(AttributeType::MobilityTicket).value_or(ByteView{});
  out.ticket.assign(ticket.begin(), ticket.end());
  return out;
}

Reply allocate(TurnClient& client) {
  return exchange(client, Method::Allocate, [](auto& b) {
    TurnClient::allocate_attributes(IpFamily::V4)(b);
    b.add_flag(AttributeType::MobilityTicket);
  });
}

Reply move_to(TurnClient& client, const Bytes& ticket) {
  return exchange(client, Method::Refresh,
                  [&](auto& b) { b.add(AttributeType::MobilityTicket, ByteView(ticket)); });
}

bool echoes(TurnClient& client, std::uint32_t seed) {
  const Bytes data = pattern(300, seed);
  client.send_channel(0x4000, data);
  const auto got = client.next(5s);
  return got && got->channel == 0x4000 && got->bytes == data;
}

// RFC 8016 §3.2.2 MUST: the allocation keeps its relayed address, permissions and channels
TEST(Mobility, AnAllocationFollowsItsClientFromSocketToSocket) {
  const Server server(mobile(4));
  const EchoPeer peer;
  auto client = std::make_unique<TurnClient>(Via::Udp, server.turn());
  Reply reply = allocate(*client);
  ASSERT_EQ(reply.code, 0);
  ASSERT_EQ(client->bind(0x4000, peer.local()), 0);
  ASSERT_TRUE(echoes(*client, 1));
  const Via ways[] = {Via::Udp, Via::Tcp, Via::Udp, Via::Tls, Via::Tcp, Via::Udp};
  for (std::uint32_t i = 2; i < 26; ++i) {
    const Via via = ways[i % std::size(ways)];
    auto next = std::make_unique<TurnClient>(via, server.listener(via));
    const Reply moved = move_to(*next, reply.ticket);
    ASSERT_EQ(moved.code, 0) << i;
    ASSERT_FALSE(moved.ticket.empty());
    EXPECT_NE(moved.ticket, reply.ticket);
    // Both ways are open until the new one is used.
    EXPECT_TRUE(echoes(*client, 100 + i)) << i;
    ASSERT_TRUE(echoes(*next, i)) << i << " over " << name(via);
    EXPECT_EQ(client->refresh(600), 437) << i;
    reply = moved;
    client = std::move(next);
  }
  EXPECT_EQ(server.metric("turnstone_allocations", ""), 1);
  EXPECT_EQ(server.metric("turnstone_channels", ""), 1);
  ASSERT_EQ(client->refresh(0), 0);
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
}

TEST(Mobility, AStreamThatBreaksIsReplaced) {
  const Server server(mobile(3));
  const EchoPeer peer;
  for (std::uint32_t i = 0; i < 6; ++i) {
    TurnClient stream(Via::Tcp, server.turn());
    const Reply reply = allocate(stream);
    ASSERT_EQ(reply.code, 0);
    ASSERT_EQ(stream.bind(0x4000, peer.local()), 0);
    stream.close();
    TurnClient next(Via::Udp, server.turn());
    ASSERT_EQ(move_to(next, reply.ticket).code, 0);
    ASSERT_TRUE(echoes(next, i));
    EXPECT_EQ(next.refresh(0), 0);
  }
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
}

TEST(Mobility, DescriptorsAndPortsComeBack) {
  const Server server(mobile(4));
  const EchoPeer peer;
  const auto churn = [&] {
    for (int i = 0; i < 12; ++i) {
      TurnClient from(Via::Udp, server.turn());
      TurnClient to(Via::Udp, server.turn());
      const Reply reply = allocate(from);
      ASSERT_EQ(reply.code, 0);
      ASSERT_EQ(from.bind(0x4000, peer.local()), 0);
      ASSERT_EQ(move_to(to, reply.ticket).code, 0);
      ASSERT_TRUE(echoes(to, 7));
      ASSERT_EQ(to.refresh(0), 0);
    }
    EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
  };
  churn();
  const std::size_t before = descriptor_count();
  churn();
  EXPECT_EQ(descriptor_count(), before);
  EXPECT_EQ(server.metric("turnstone_relay_ports_used"), 0);
}

TEST(Mobility, StoppingWhileAllocationsMoveIsClean) {
  for (int round = 0; round < 3; ++round) {
    Server server(mobile(4));
    std::vector<std::unique_ptr<TurnClient>> clients;
    // They stay open: the server answers for their 5-tuples until the mover speaks, so a new client that were
    // given a closed one's port would be told 437.
    std::vector<std::unique_ptr<TurnClient>> left;
    for (int i = 0; i < 8; ++i) {
      left.push_back(std::make_unique<TurnClient>(Via::Udp, server.turn()));
      const Reply reply = allocate(*left.back());
      ASSERT_EQ(reply.code, 0);
      clients.push_back(std::make_unique<TurnClient>(Via::Udp, server.turn()));
      ASSERT_EQ(move_to(*clients.back(), reply.ticket).code, 0);
    }
    for (const auto& client : clients) client->send_channel(0x4000, pattern(10));
    server.runtime->stop();
  }
}

}  // namespace
}  // namespace ts::shell_test
