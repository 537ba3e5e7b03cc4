// SPDX-License-Identifier: Apache-2.0
// Closed relays: what a membership's allocation may reach, before, while and after room-mates announce it.
#include <gtest/gtest.h>

#include "tcp_client.hpp"

namespace ts::turn {
namespace {

using namespace testing;
using std::chrono::seconds;
using Kind = ReachChange::Kind;

const Endpoint kBen = ep("8.8.4.4:5000");
const Endpoint kBenToo = ep("8.8.4.4:6000");
const Endpoint kEve = ep("8.8.8.8:5000");

auth::Policy closed(const std::string& room, const std::string& member) {
  auth::Policy out;
  out.room = room, out.member = member, out.closed = true;
  return out;
}

struct ClosedRelay : ::testing::Test {
  explicit ClosedRelay(Options options = default_options()) : w(std::move(options)) {}
  std::string mint(const auth::Policy& policy, std::string& password) {
    const auto minted = auth::mint("north", "ada", policy, w.now.wall + seconds(3600)).value();
    password = minted.password;
    return minted.username;
  }
  Client client(const auth::Policy& policy, const std::string& from = "192.12.0.1:1000") {
    std::string password;
    const std::string username = mint(policy, password);
    return Client(w, from, Transport::Udp, username, password);
  }
  void tell(Kind kind, const std::string& room, const std::string& peer, const std::string& member = {},
            std::vector<IpAddress> addresses = {}) {
    w.server.reach(w.now, ReachChange{kind, room, peer, member, std::move(addresses)}, w.outbox);
    w.tick();  // flushes
  }
  void announce(const std::string& room, const std::string& peer, const Endpoint& at) {
    tell(Kind::Announce, room, peer, {}, {at.address});
  }
  /// Ada and Ben drink tea; the member "m" is Ada there.
  void drink_tea() {
    tell(Kind::Enter, "tea", "ada");
    tell(Kind::Grant, "tea", "ada", "m");
    tell(Kind::Enter, "tea", "ben");
  }
  std::uint64_t refused() const { return w.server.counters().denials[index(Denial::ClosedRelay)]; }
  void TearDown() override {
    EXPECT_EQ(w.broken_invariant(), "");
    w.shut_down();
    EXPECT_EQ(w.gauges(), Gauges{});
  }

  World w;
};

TEST_F(ClosedRelay, ReachesWhatRoomMatesAnnounceWhileTheyAreThere) {
  drink_tea();
  Client ada = client(closed("tea", "m"));
  ASSERT_EQ(ada.allocate().code(), 0);
  EXPECT_EQ(ada.permit({kBen}).code(), 403);
  EXPECT_EQ(ada.bind(0x4000, kBen).code(), 403);
  EXPECT_EQ(refused(), 2U);
  ada.send_indication(kBen, as_bytes("x"));
  EXPECT_TRUE(w.to_peers.empty());

  announce("tea", "ben", kBen);
  EXPECT_EQ(ada.permit({kBen, kEve}).code(), 403) << "all or nothing";
  EXPECT_EQ(ada.permit({kBen}).code(), 0);
  ada.send_indication(kBenToo, as_bytes("ports do not matter"));
  EXPECT_EQ(w.to_peers.size(), 1U);
  EXPECT_EQ(ada.bind(0x4000, kBen).code(), 0);
  ada.send_channel(0x4000, as_bytes("y"));
  EXPECT_EQ(w.to_peers.size(), 2U);
  w.peer_sends(ada.relay(), kBen, as_bytes("z"));
  EXPECT_TRUE(w.to_clients.back().droppable);
  w.advance(seconds(200)), w.tick();
  EXPECT_EQ(ada.permit({kBen}).code(), 0) << "refreshed";

  tell(Kind::Leave, "tea", "ben");
  EXPECT_EQ(w.gauges().permissions, 0U);
  EXPECT_EQ(w.gauges().channels, 0U);
  const std::size_t sent = w.to_peers.size();
  const std::size_t received = w.to_clients.size();
  ada.send_channel(0x4000, as_bytes("y"));
  ada.send_indication(kBen, as_bytes("x"));
  w.peer_sends(ada.relay(), kBen, as_bytes("z"));
  EXPECT_EQ(w.to_peers.size(), sent);
  EXPECT_EQ(w.to_clients.size(), received);
  EXPECT_EQ(ada.permit({kBen}).code(), 403);
  EXPECT_EQ(ada.bind(0x4000, kBen).code(), 403);
  EXPECT_EQ(ada.refresh(600).code(), 0) << "the allocation itself goes on";

  // Ben is back.
  tell(Kind::Enter, "tea", "ben");
  EXPECT_EQ(ada.bind(0x4000, kBen).code(), 403) << "what it announced before means nothing";
  announce("tea", "ben", kBen);
  EXPECT_EQ(ada.bind(0x4001, kBen).code(), 0);
}

TEST_F(ClosedRelay, NobodyOpensItsOwn) {
  drink_tea();
  Client ada = client(closed("tea", "m"));
  ASSERT_EQ(ada.allocate().code(), 0);
  announce("tea", "ada", kEve);
  EXPECT_EQ(ada.permit({kEve}).code(), 403);
  // The same address of both, behind one NAT say.
  announce("tea", "ben", kEve);
  EXPECT_EQ(ada.permit({kEve}).code(), 0);
  tell(Kind::Leave, "tea", "ben");
  EXPECT_EQ(ada.permit({kEve}).code(), 403);
  EXPECT_EQ(w.gauges().permissions, 0U);
}

TEST_F(ClosedRelay, NobodyOpensWhatIsDenied) {
  drink_tea();
  Client ada = client(closed("tea", "m"));
  ASSERT_EQ(ada.allocate().code(), 0);
  for (const char* address : {"10.0.0.5:80", "127.0.0.1:80", "169.254.169.254:80"}) {
    announce("tea", "ben", ep(address));
    EXPECT_EQ(ada.permit({ep(address)}).code(), 403) << address;
  }
  EXPECT_EQ(refused(), 0U) << "the rules of the server come first";
}

TEST_F(ClosedRelay, OfARoomReachesThatRoomAndOfASessionAllRooms) {
  drink_tea();
  tell(Kind::Enter, "cake", "ada");
  tell(Kind::Enter, "cake", "eve");
  tell(Kind::Grant, "", "ada", "s");
  announce("tea", "ben", kBen);
  announce("cake", "eve", kEve);
  Client room = client(closed("tea", "m"));
  Client session = client(closed("", "s"), "192.12.0.1:1001");
  ASSERT_EQ(room.allocate().code(), 0);
  ASSERT_EQ(session.allocate().code(), 0);
  EXPECT_EQ(room.permit({kBen}).code(), 0);
  EXPECT_EQ(room.permit({kEve}).code(), 403);
  EXPECT_EQ(session.permit({kBen, kEve}).code(), 0);
  // Ada leaves one room.
  tell(Kind::Leave, "cake", "ada");
  EXPECT_EQ(session.permit({kEve}).code(), 403);
  EXPECT_EQ(session.permit({kBen}).code(), 0);
  EXPECT_EQ(w.gauges().permissions, 2U) << "one of each allocation";
}

TEST_F(ClosedRelay, KnowsTheOrderAndTheNames) {
  // Everything is announced before there is an allocation, and to whom nobody has told of there is nothing.
  drink_tea();
  announce("tea", "ben", kBen);
  Client ada = client(closed("tea", "m"));
  Client stranger = client(closed("tea", "x"), "192.12.0.1:1001");
  Client nameless = client(closed("tea", ""), "192.12.0.1:1002");
  for (Client* each : {&ada, &stranger, &nameless}) ASSERT_EQ(each->allocate().code(), 0);
  EXPECT_EQ(ada.permit({kBen}).code(), 0);
  EXPECT_EQ(stranger.permit({kBen}).code(), 403);
  EXPECT_EQ(nameless.permit({kBen}).code(), 403);
  // An announcement that comes after the leave is for nothing, and so is one without an entrance.
  tell(Kind::Leave, "tea", "ben");
  announce("tea", "ben", kBen);
  announce("tea", "eve", kEve);
  EXPECT_EQ(ada.permit({kBen}).code(), 403);
  EXPECT_EQ(ada.permit({kEve}).code(), 403);
  tell(Kind::Forget, "", "", "m");
  tell(Kind::Forget, "", "", "m");
  tell(Kind::Leave, "tea", "ben");
  EXPECT_EQ(ada.permit({kBen}).code(), 403);
}

TEST_F(ClosedRelay, OpenOnesReachWhatTheyDid) {
  auth::Policy open;
  open.room = "tea", open.member = "m";
  drink_tea();
  Client ada = client(open);
  ASSERT_EQ(ada.allocate().code(), 0);
  EXPECT_EQ(ada.permit({kBen}).code(), 0);
  tell(Kind::Leave, "tea", "ben");
  EXPECT_EQ(w.gauges().permissions, 1U);
}

struct ClosedFlows : ClosedRelay {
  ClosedFlows()
      : ClosedRelay([] {
          Options out = default_options();
          out.tell_flows = true;
          return out;
        }()) {}
};

TEST_F(ClosedFlows, EndWithTheLeave) {
  drink_tea();
  announce("tea", "ben", kBen);
  Client ada = client(closed("tea", "m"));
  ASSERT_EQ(ada.allocate().code(), 0);
  ASSERT_EQ(ada.bind(0x4000, kBen).code(), 0);
  ASSERT_EQ(w.flows.size(), 1U);
  tell(Kind::Leave, "tea", "ben");
  ASSERT_EQ(w.flows.size(), 2U);
  EXPECT_TRUE(w.flows.back().ended);
  EXPECT_EQ(w.flows.back().channel, 0x4000);
}

TEST_F(ClosedRelay, ConnectionsEndWithTheLeave) {
  drink_tea();
  std::string password;
  const std::string username = mint(closed("tea", "m"), password);
  TcpClient ada(w, "192.12.0.1:1000", Transport::Tcp, username, password);
  ASSERT_EQ(ada.allocate_tcp().code(), 0);
  EXPECT_EQ(ada.connect(kBen).code(), 403);
  announce("tea", "ben", kBen);
  const ConnectionId up = ada.connected(kBen);
  EXPECT_TRUE(ada.connect(kBenToo).none());
  const ConnectionId under_way = w.connects.back().connection;
  const std::size_t before = w.to_clients.size();
  tell(Kind::Leave, "tea", "ben");
  EXPECT_EQ(w.closed_connections, (std::vector<ConnectionId>{up, under_way}));
  EXPECT_EQ(ada.answer_since(before).code(), 403) << "the one under way is answered";
  EXPECT_EQ(w.server.connection_count(), 0U);
  EXPECT_EQ(ada.connect(kBen).code(), 403);
}

TEST(ReachTable, KeepsNothingOfWhoIsGone) {
  ReachTable table;
  const IpAddress at = ip("8.8.4.4");
  for (const char* peer : {"ada", "ben"}) {
    table.apply({Kind::Enter, "tea", peer, {}, {}});
    table.apply({Kind::Grant, "tea", peer, std::string(peer) + "~1", {}});
    table.apply({Kind::Grant, "", peer, std::string(peer) + "~2", {}});
    table.apply({Kind::Announce, "tea", peer, {}, {at, at}});
  }
  EXPECT_TRUE(table.reaches("ada~1", at));
  EXPECT_TRUE(table.reaches("ada~2", at));
  const auto less = table.apply({Kind::Leave, "tea", "ben", {}, {}});
  EXPECT_EQ(less, (std::vector<std::string>{"ben~1", "ben~2", "ada~1", "ada~2"}));
  EXPECT_FALSE(table.reaches("ada~1", at));
  EXPECT_FALSE(table.reaches("ben~2", at)) << "it is in no room";
  table.apply({Kind::Leave, "tea", "ada", {}, {}});
  EXPECT_FALSE(table.empty());
  for (const char* member : {"ada~1", "ada~2", "ben~1", "ben~2"})
    table.apply({Kind::Forget, {}, {}, member, {}});
  EXPECT_TRUE(table.empty());
}

TEST(ReachTable, ALeaveConcernsWhoReachesLess) {
  using Members = std::vector<std::string>;
  ReachTable table;
  const IpAddress common = ip("8.8.4.4");  // of all of them, behind one NAT say
  const IpAddress own = ip("8.8.8.8");
  for (const char* peer : {"ada", "ben", "eve"}) {
    table.apply({Kind::Enter, "tea", peer, {}, {}});
    table.apply({Kind::Announce, "tea", peer, {}, {common}});
  }
  table.apply({Kind::Grant, "tea", "ada", "a", {}});
  table.apply({Kind::Grant, "tea", "ben", "b", {}});
  const auto eve_leaves = [&](std::vector<IpAddress> announced) {
    table.apply({Kind::Enter, "tea", "eve", {}, {}});
    table.apply({Kind::Announce, "tea", "eve", {}, std::move(announced)});
    return table.apply({Kind::Leave, "tea", "eve", {}, {}});
  };
  EXPECT_EQ(eve_leaves({}), Members{}) << "two have still announced it";
  EXPECT_TRUE(table.reaches("a", common));
  EXPECT_TRUE(table.reaches("b", common));
  EXPECT_EQ(eve_leaves({common, own}), (Members{"a", "b"}));
  EXPECT_FALSE(table.reaches("a", own));
  table.apply({Kind::Forget, {}, {}, "b", {}});
  EXPECT_EQ(eve_leaves({own}), Members{"a"}) << "Ben has none";
  // A session's grant comes before its rooms.
  table.apply({Kind::Grant, "", "zoe", "z", {}});
  table.apply({Kind::Enter, "tea", "zoe", {}, {}});
  table.apply({Kind::Enter, "cake", "zoe", {}, {}});
  EXPECT_EQ(eve_leaves({own}), (Members{"a", "z"}));
  EXPECT_EQ(table.apply({Kind::Leave, "tea", "zoe", {}, {}}), Members{"z"});
  EXPECT_EQ(eve_leaves({own}), Members{"a"});
  table.apply({Kind::Grant, "tea", "ben", "b", {}});
  EXPECT_EQ(table.apply({Kind::Leave, "tea", "ada", {}, {}}), (Members{"a", "b"}))
      << "Ben's own announcement is all there is";
  EXPECT_FALSE(table.reaches("b", common));
  table.apply({Kind::Leave, "tea", "ben", {}, {}});
  table.apply({Kind::Leave, "cake", "zoe", {}, {}});
  for (const char* member : {"a", "b", "z"}) table.apply({Kind::Forget, {}, {}, member, {}});
  EXPECT_TRUE(table.empty());
}

TEST(ReachTable, AnAddressIsWhatItLeadsTo) {
  ReachTable table;
  table.apply({Kind::Enter, "tea", "ada", {}, {}});
  table.apply({Kind::Enter, "tea", "ben", {}, {}});
  table.apply({Kind::Grant, "tea", "ada", "m", {}});
  table.apply({Kind::Announce, "tea", "ben", {}, {ip("::ffff:8.8.4.4"), ip("2620:fe::77")}});
  EXPECT_TRUE(table.reaches("m", ip("8.8.4.4")));
  EXPECT_TRUE(table.reaches("m", ip("2620:fe::77")));
  EXPECT_FALSE(table.reaches("m", ip("2620:fe::78")));
}

}  // namespace
}  // namespace ts::turn
