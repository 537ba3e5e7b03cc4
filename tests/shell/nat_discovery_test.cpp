// SPDX-License-Identifier: Apache-2.0
// NAT behaviour discovery (RFC 5780) over real sockets: the answer leaves from the endpoint that it names.
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

config::Config with_alternate(std::vector<IpAddress> bind) {
  config::Config out = loopback_config(2);
  out.net.bind = std::move(bind);
  out.net.alt_addresses = {*IpAddress::parse("127.0.0.2")};
  out.net.alt_port = 0;
  return out;
}

struct Heard {
  Endpoint from;
  Endpoint origin;
  Endpoint other;
};

/// Asks `to` for an answer from where the flags say.
std::optional<Heard> ask(UdpSocket& socket, const Endpoint& to, std::uint32_t flags) {
  Bytes out(64);
  stun::MessageBuilder b(out, MessageClass::Request, Method::Binding, stun::TransactionId{9});
  b.add_u32(AttributeType::ChangeRequest, flags);
  out.resize(b.finish().size());
  socket.send(to, out);
  const auto got = socket.receive();
  if (!got) return std::nullopt;
  const auto m = stun::MessageView::parse(got->bytes);
  if (!m || m->message_class() != MessageClass::SuccessResponse) return std::nullopt;
  const auto address = [&](AttributeType type) {
    return stun::decode_address(m->find(type).value_or(ByteView{})).value_or(Endpoint{});
  };
  return Heard{got->from, address(AttributeType::ResponseOrigin), address(AttributeType::OtherAddress)};
}

void check_all_four(const Server& server) {
  UdpSocket socket(at("127.0.0.1"));
  const auto first = ask(socket, server.turn(), 0);
  ASSERT_TRUE(first);
  const Endpoint here = server.turn();
  const Endpoint other = first->other;
  EXPECT_EQ(first->from, here);
  EXPECT_EQ(first->origin, here);
  EXPECT_EQ(other.address, *IpAddress::parse("127.0.0.2"));
  EXPECT_NE(other.port, here.port);
  // From each of the four endpoints, to each of them.
  for (const Endpoint& to :
       {here, Endpoint{here.address, other.port}, Endpoint{other.address, here.port}, other}) {
    const Endpoint beyond{to.address == here.address ? other.address : here.address,
                          to.port == here.port ? other.port : here.port};
    for (const std::uint32_t flags : {0U, 2U, 4U, 6U}) {
      const auto heard = ask(socket, to, flags);
      ASSERT_TRUE(heard) << to.to_string() << ' ' << flags;
      const Endpoint wanted{(flags & 4) != 0 ? beyond.address : to.address,
                            (flags & 2) != 0 ? beyond.port : to.port};
      EXPECT_EQ(heard->from, wanted) << to.to_string() << ' ' << flags;
      EXPECT_EQ(heard->origin, wanted);
      EXPECT_EQ(heard->other, beyond);
    }
  }
}

// RFC 5780 §6.1 MUST: the answer's source is what RESPONSE-ORIGIN says
TEST(NatDiscovery, AnswersLeaveFromWhereTheySay) {
  check_all_four(Server(with_alternate({*IpAddress::parse("127.0.0.1"), *IpAddress::parse("::1")})));
}

TEST(NatDiscovery, WildcardListenersServeBothAddresses) {
  check_all_four(Server(with_alternate({*IpAddress::parse("0.0.0.0")})));
}

// RFC 5780 §7.5 MUST: the answer goes to the port in RESPONSE-PORT
TEST(NatDiscovery, TheAnswerGoesToTheResponsePort) {
  const Server server(with_alternate({*IpAddress::parse("127.0.0.1")}));
  UdpSocket asking(at("127.0.0.1"));
  UdpSocket listening(at("127.0.0.1"));
  Bytes out(64);
  stun::MessageBuilder b(out, MessageClass::Request, Method::Binding, stun::TransactionId{9});
  b.add_u32(AttributeType::ResponsePort, std::uint32_t{listening.local().port} << 16);
  out.resize(b.finish().size());
  asking.send(server.turn(), out);
  const auto got = listening.receive();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->from, server.turn());
  EXPECT_FALSE(asking.receive(kSilence));
}

TEST(NatDiscovery, AllocationsWorkOnTheAlternateEndpointsToo) {
  const Server server(with_alternate({*IpAddress::parse("127.0.0.1")}));
  UdpSocket socket(at("127.0.0.1"));
  const auto first = ask(socket, server.turn(), 0);
  ASSERT_TRUE(first);
  TurnClient client(Via::Udp, first->other);
  EXPECT_EQ(client.allocate(), 0);
  EXPECT_EQ(client.last_from, first->other);
}

TEST(NatDiscovery, ProblemsAreSaidWell) {
  const auto problems = [](const std::function<void(config::Config&)>& change) {
    config::Config config = with_alternate({*IpAddress::parse("127.0.0.1")});
    change(config);
    std::string all;
    for (const std::string& problem : app::Runtime::make(std::move(config)).problems) all += problem + '\n';
    return all;
  };
  const auto set = [](const char* address) {
    return [address](config::Config& c) { c.net.alt_addresses = {*IpAddress::parse(address)}; };
  };
  EXPECT_NE(problems(set("192.0.2.7")).find("no interface of this host has that address"), std::string::npos);
  EXPECT_NE(problems(set("127.0.0.1")).find("which is in listen.bind too"), std::string::npos);
  EXPECT_NE(problems(set("::1")).find("listen.bind has no address of that family"), std::string::npos);
  EXPECT_NE(problems(set("0.0.0.0")).find("name one address"), std::string::npos);
  EXPECT_NE(problems([](auto& c) {
              c.net.alt_addresses.push_back(*IpAddress::parse("127.0.0.3"));
            }).find("one a family"),
            std::string::npos);
  EXPECT_NE(problems([](auto& c) { c.net.udp = false; }).find("needs UDP"), std::string::npos);
  EXPECT_NE(problems([](auto& c) { c.net.alt_port = c.net.port = 3999; }).find("needs two ports"),
            std::string::npos);
  EXPECT_EQ(problems([](auto&) {}), "");
}

}  // namespace
}  // namespace ts::shell_test
