// SPDX-License-Identifier: Apache-2.0
// Streams behind a load balancer (PROXY protocol): the client is the one that the header names, for all that
// comes after; and nobody else may name one.
#include <gmock/gmock.h>

#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::string kLine = "PROXY TCP4 192.0.2.1 198.51.100.9 4660 3478\r\n";
const std::string kLine6 = "PROXY TCP6 2001:db8::1 2001:db8::9 4660 3478\r\n";
const std::string kUnknown = "PROXY UNKNOWN\r\n";

std::string binary(int command, int family, const std::string& block) {
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  out += static_cast<char>(command);
  out += static_cast<char>(family);
  out += static_cast<char>(block.size() >> 8);
  out += static_cast<char>(block.size());
  return out + block;
}
const std::string kBinary =
    binary(0x21, 0x11, std::string("\xC0\x00\x02\x01\xC6\x33\x64\x09\x12\x34\x0D\x96\x04\x00\x02zz", 17));
const std::string kLocal = binary(0x20, 0x00, "");

/// 127.0.0.2 is a balancer.
config::Config behind_balancer(std::uint32_t shards = 1) {
  config::Config out = loopback_config(shards);
  out.net.proxy_protocol_from = {*IpNetwork::parse("127.0.0.2/32")};
  return out;
}

Wire::Settings balanced(const std::string& header) {
  return {.source = IpAddress::parse("127.0.0.2"), .before_tls = header};
}

class Balanced : public testing::TestWithParam<Via> {};

TEST_P(Balanced, TheClientIsTheOneThatTheHeaderNames) {
  const Server server(behind_balancer(2));
  for (const auto& [header, client] :
       {std::pair(kLine, "192.0.2.1:4660"), {kBinary, "192.0.2.1:4660"}, {kLine6, "[2001:db8::1]:4660"}}) {
    TurnClient turn(GetParam(), server.listener(GetParam()), balanced(header));
    ASSERT_TRUE(turn.ok());
    const auto mapped = turn.binding();
    ASSERT_TRUE(mapped);
    EXPECT_EQ(mapped->to_string(), client);
    ASSERT_EQ(turn.allocate(), 0);
    EXPECT_EQ(turn.mapped.to_string(), client);
    const EchoPeer peer;
    ASSERT_EQ(turn.bind(0x4001, peer.local()), 0);
    turn.send_channel(0x4001, pattern(99));
    const auto got = turn.next();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->bytes, pattern(99));
  }
}

TEST_P(Balanced, TheBalancersOwnConnectionsAreItsOwn) {
  const Server server(behind_balancer());
  for (const std::string& header : {kUnknown, kLocal}) {
    TurnClient turn(GetParam(), server.listener(GetParam()), balanced(header));
    const auto mapped = turn.binding();
    ASSERT_TRUE(mapped);
    EXPECT_EQ(mapped->address.to_string(), "127.0.0.2");
  }
}
INSTANTIATE_TEST_SUITE_P(Streams, Balanced, testing::Values(Via::Tcp, Via::Tls),
                         [](const auto& p) { return std::string(name(p.param)); });

TEST(ProxyProtocol, HeadersMayComeInPieces) {
  const Server server(behind_balancer());
  for (const std::string& header : {kLine, kBinary}) {
    Wire wire(server.turn(), balanced(header.substr(0, 1)));
    Bytes request(64);
    stun::MessageBuilder b(request, MessageClass::Request, Method::Binding, stun::TransactionId{1});
    request.resize(b.finish().size());
    const std::string all = header.substr(1) + std::string(as_text(request));
    for (const char c : all) {
      ASSERT_TRUE(wire.write(std::string_view(&c, 1)));
      std::this_thread::sleep_for(1ms);
    }
    Bytes answer;
    ASSERT_EQ(wire.read(answer), Wire::Read::Some);
    EXPECT_TRUE(stun::MessageView::parse(answer));
  }
}

TEST(ProxyProtocol, IsRequiredOfBalancersAndOfNobodyElse) {
  const Server server(behind_balancer());
  const std::string bad_line = "PROXY TCP4 192.0.2.1 198.51.100.9 4660\r\n";
  const std::string too_long = "PROXY UNKNOWN " + std::string(100, 'x');
  const std::string plain_http = "GET /healthz HTTP/1.1\r\n\r\n";
  const std::string plain_stun(20, '\0');
  for (const std::string& first : {bad_line, too_long, plain_http, plain_stun, std::string("\x16\x03\x01")}) {
    Wire wire(server.turn(), balanced(first));
    EXPECT_TRUE(wire.ends()) << first;
  }
  EXPECT_EQ(server.metric(kRefused, "bad_proxy_header"), 5);
  // From elsewhere its bytes mean what they always mean: an upper-case letter is HTTP.
  Wire stranger(server.turn(), {});
  stranger.write(kLine + "Host: x\r\n\r\n");
  Bytes answer;
  ASSERT_EQ(stranger.read(answer), Wire::Read::Some);
  EXPECT_THAT(std::string(as_text(answer)), StartsWith("HTTP/1.1 400"));
  Wire binary_stranger(server.turn(), {});
  binary_stranger.write(kBinary);
  EXPECT_TRUE(binary_stranger.ends());
  EXPECT_EQ(server.metric(kRefused, "unknown_protocol"), 1);
}

TEST(ProxyProtocol, HttpKnowsTheClientToo) {
  config::Config config = behind_balancer();
  config.metrics.allow_from = {*IpNetwork::parse("127.0.0.0/8"), *IpNetwork::parse("198.18.0.0/15")};
  const Server server(std::move(config));
  EXPECT_THAT(Wire(server.http(), balanced(kLine)).get("/metrics"), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(Wire(server.http(), balanced("PROXY TCP4 198.18.0.1 127.0.0.1 1 2\r\n")).get("/metrics"),
              StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Wire(server.http(), balanced(kLocal)).get("/metrics"), StartsWith("HTTP/1.1 200"));
  Wire::Settings tls = balanced(kBinary);
  tls.tls = true;
  EXPECT_THAT(Wire(server.tls(), tls).get("/metrics"), StartsWith("HTTP/1.1 403"));
}

TEST(ProxyProtocol, LimitsCountTheClientAndNotTheBalancer) {
  config::Config config = behind_balancer();
  config.net.max_streams_per_address = 2;
  const Server server(std::move(config));
  std::vector<std::unique_ptr<TurnClient>> clients;
  for (int i = 0; i < 6; ++i) {
    const std::string header = "PROXY TCP4 192.0.2." + std::to_string(i / 2) + " 198.51.100.9 " +
                               std::to_string(1000 + i) + " 3478\r\n";
    clients.push_back(std::make_unique<TurnClient>(Via::Tcp, server.turn(), balanced(header)));
    EXPECT_TRUE(clients.back()->binding()) << i;
  }
  Wire third(server.turn(), balanced("PROXY TCP4 192.0.2.1 198.51.100.9 9 3478\r\n"));
  EXPECT_TRUE(third.ends());
  EXPECT_EQ(server.metric(kRefused, "address_limit"), 1);
}

TEST(ProxyProtocol, AFiveTupleIsOneStreams) {
  const Server server(behind_balancer());
  auto first = std::make_unique<TurnClient>(Via::Tcp, server.turn(), balanced(kLine));
  ASSERT_EQ(first->allocate(), 0);
  TurnClient twin(Via::Tcp, server.turn(), balanced(kLine));
  EXPECT_FALSE(twin.binding()) << "it would speak for the first one's allocation";
  EXPECT_EQ(first->refresh(600), 0);
  first.reset();
  ASSERT_TRUE(server.settles("turnstone_allocations", "", 0));
  TurnClient next(Via::Tcp, server.turn(), balanced(kLine));
  EXPECT_TRUE(next.binding());
}

TEST(ProxyProtocol, AHeaderThatDoesNotEndHasItsTime) {
  config::Config config = behind_balancer();
  config.net.handshake_timeout = 300ms;
  const Server server(std::move(config));
  Wire silent(server.turn(), balanced(""));
  Wire begun(server.turn(), balanced("PROXY TCP4 "));
  Wire only_header(server.turn(), balanced(kLine));
  EXPECT_TRUE(silent.ends());
  EXPECT_TRUE(begun.ends());
  EXPECT_TRUE(only_header.ends());
  EXPECT_EQ(server.metric(kRefused, "handshake_timeout"), 3);
}

}  // namespace
}  // namespace ts::shell_test
