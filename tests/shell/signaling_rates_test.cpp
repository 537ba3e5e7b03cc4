// SPDX-License-Identifier: Apache-2.0
// Rates of signaling through the whole server: of a connection, and of an address that a balancer tells.
#include <nlohmann/json.hpp>

#include "http_support.hpp"
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

using net::http_test::Client;
using nlohmann::json;

json next(Client& client) {
  const std::string text = client.next_text();
  return text.empty() ? json{{"t", "closed"}} : json::parse(text);
}

/// 127.0.0.2 is a balancer.
config::Config rated() {
  config::Config out = loopback_config();
  out.net.proxy_protocol_from = {*IpNetwork::parse("127.0.0.2/32")};
  return out;
}

/// A member; `from`: whom the balancer names, or nobody: then it comes by itself, from 127.0.0.1.
Client member(const Server& server, const std::string& peer, const std::string& from = {}) {
  const IpAddress source = IpAddress::v4(127, 0, 0, from.empty() ? 1 : 2);
  Socket socket(SOCK_STREAM, Endpoint{source, 0});
  const timeval patience{20, 0};
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  EXPECT_TRUE(socket.connect(server.http()));
  Client out(socket.release(), nullptr);
  if (!from.empty()) out.send("PROXY " + from + " 4660 80\r\n");
  EXPECT_EQ(out.upgrade().status, 101U);
  out.text(R"({"t":"hello","v":1,"peer":")" + peer + "\"}");
  EXPECT_EQ(next(out)["t"], "welcome");
  return out;
}

TEST(SignalingRates, ConnectionsOfAnAddressShareThem) {
  config::Config config = rated();
  config.signal.address_messages_per_second = 5;  // 20 at once
  const Server server(config);
  Client ada = member(server, "ada", "TCP4 192.0.2.1 198.51.100.9");
  Client bob = member(server, "bob", "TCP4 192.0.2.1 198.51.100.9");
  Client cid = member(server, "cid", "TCP4 192.0.2.2 198.51.100.9");
  Client dan = member(server, "dan");
  const auto refusals = [](Client& client, int count) {
    for (int i = 0; i < count; ++i) client.text(R"({"t":"ping"})");
    int refused = 0;
    for (int i = 0; i < count; ++i) {
      const json answer = next(client);
      if (answer["t"] != "error") continue;
      ++refused;
      EXPECT_EQ(answer["code"], "rate_limited");
      EXPECT_EQ(answer["message"], "too many messages from this address");
      EXPECT_GT(answer["retryAfter"], 0);
    }
    return refused;
  };
  // Slow machines take their time, in which some more pass.
  EXPECT_GT(refusals(ada, 100), 20);
  EXPECT_GT(refusals(bob, 100), 20) << "it has said nothing but hello";
  EXPECT_EQ(refusals(cid, 10), 0) << "another address";
  EXPECT_EQ(refusals(dan, 100), 0) << "loopback: a proxy on this host, with everybody behind it";
  EXPECT_GT(
      sample(server.metrics(), "turnstone_signaling_over_rate_total", R"(scope="address",unit="messages")"),
      40);
  EXPECT_EQ(sample(server.metrics(), "turnstone_signaling_over_rate_total",
                   R"(scope="connection",unit="messages")"),
            0);
}

TEST(SignalingRates, BytesAreRefusedAndThenTheConnectionIsClosed) {
  config::Config config = rated();
  config.signal.bytes_per_second = 1000;
  const Server server(config);
  Client ada = member(server, "ada");
  const std::string large = R"({"t":"ping","data":")" + std::string(60'000, 'x') + "\"}";
  ada.text(large);
  EXPECT_EQ(next(ada)["t"], "pong");
  for (std::uint32_t i = 0; i < signal::kMaxRefusals + 20; ++i) ada.text(R"({"t":"ping"})");
  for (;;) {
    const net::http_test::Frame frame = ada.next();
    if (frame.opcode == 1) {
      EXPECT_EQ(json::parse(frame.payload)["message"], "too many bytes");
      continue;
    }
    ASSERT_EQ(frame.opcode, 8);
    EXPECT_EQ(frame.code(), 4029U);
    break;
  }
}

}  // namespace
}  // namespace ts::shell_test
