// SPDX-License-Identifier: Apache-2.0
// Draining the whole server: what is there goes on without a loss, nobody new is let in, and it ends.
#include <atomic>
#include <future>

#include "admin_client.hpp"

namespace ts::shell_test {
namespace {

config::Config draining_config(std::chrono::milliseconds timeout) {
  config::Config out = admin_config(2);
  out.shutdown.drain_timeout = timeout;
  out.shutdown.signaling_spread = 500ms;
  return out;
}

/// Runs the drain; the future is ready when it is over.
std::future<void> drain(const Server& server) {
  const auto over = std::make_shared<std::promise<void>>();
  auto out = over->get_future();
  server.runtime->drain([over] { over->set_value(); });
  return out;
}

bool is_over(const std::future<void>& future, std::chrono::milliseconds patience) {
  return future.wait_for(patience) == std::future_status::ready;
}

/// True once a path is answered so.
bool answers(const Server& server, const char* path, const char* status) {
  const auto deadline = Clock::now() + kPatience;
  while (Clock::now() < deadline) {
    if (Wire(server.http(), {}).get(path).find(status) != std::string::npos) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

TEST(Drain, NotOnePacketIsLostUntilTheClientsGo) {
  const Server server(draining_config(60s));
  const EchoPeer peer;
  std::vector<std::unique_ptr<TurnClient>> clients;
  for (const Via via : {Via::Udp, Via::Udp, Via::Tcp, Via::Tls}) {
    clients.push_back(std::make_unique<TurnClient>(via, server.listener(via)));
    ASSERT_EQ(clients.back()->allocate(), 0);
    ASSERT_EQ(clients.back()->bind(kChannel, peer.local()), 0);
  }
  const std::future<void> over = drain(server);
  EXPECT_TRUE(answers(server, "/readyz", " 503 "));
  EXPECT_TRUE(answers(server, "/healthz", " 200 "));
  EXPECT_EQ(server.metric("turnstone_draining"), 1);
  TurnClient late(Via::Udp, server.turn());
  EXPECT_EQ(late.allocate(), 508);
  EXPECT_GE(server.metric("turnstone_denials_total", "draining"), 1);

  for (std::uint32_t round = 0; round < 100; ++round) {
    for (const auto& client : clients) {
      const Bytes data = pattern(200 + round, round);
      client->send_channel(kChannel, data);
      const auto got = client->next();
      ASSERT_TRUE(got) << round;
      ASSERT_EQ(got->bytes, data);
    }
    std::this_thread::sleep_for(5ms);
  }
  for (const auto& client : clients) EXPECT_EQ(client->refresh(600), 0);
  EXPECT_EQ(clients[0]->bind(kChannel + 1, peer.local()), 400) << "a peer has one channel";
  EXPECT_EQ(clients[0]->bind(kChannel, peer.local()), 0) << "and it is refreshed";
  EXPECT_FALSE(is_over(over, 0ms));
  for (const auto& client : clients) ASSERT_EQ(client->refresh(0), 0);
  EXPECT_TRUE(is_over(over, kPatience));
}

TEST(Drain, EndsWhenTheTimeIsUp) {
  const Server server(draining_config(1s));
  const EchoPeer peer;
  TurnClient client(Via::Udp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  ASSERT_EQ(client.bind(kChannel, peer.local()), 0);
  const auto began = Clock::now();
  const std::future<void> over = drain(server);
  std::uint32_t round = 0;
  for (; !is_over(over, 5ms) && Clock::now() - began < kPatience; ++round) {
    const Bytes data = pattern(200 + round % 100, round);
    client.send_channel(kChannel, data);
    const auto got = client.next();
    ASSERT_TRUE(got) << round;
    ASSERT_EQ(got->bytes, data) << "not one packet is lost until then";
  }
  ASSERT_TRUE(is_over(over, 0ms));
  EXPECT_GE(Clock::now() - began, 1s);
  EXPECT_GT(round, 5U);
}

TEST(Drain, EndsAtOnceWhereThereIsNobodyOrNoTime) {
  const Server idle(draining_config(60s));
  EXPECT_TRUE(is_over(drain(idle), 5s));
  const Server hasty(draining_config(0s));
  TurnClient client(Via::Udp, hasty.turn());
  ASSERT_EQ(client.allocate(), 0);
  EXPECT_TRUE(is_over(drain(hasty), 5s));
}

TEST(Drain, IsStoppedInTheMiddle) {
  const Server server(draining_config(60s));
  TurnClient client(Via::Udp, server.turn());
  ASSERT_EQ(client.allocate(), 0);
  const std::future<void> over = drain(server);
  EXPECT_FALSE(is_over(over, 300ms));
  server.runtime->stop();
}

/// A signaling client that has said hello and joined a room.
class Member {
 public:
  Member(const Server& server, const std::string& name) : wire_(server.http(), {}) {
    wire_.write(
        "GET /v1/ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    EXPECT_TRUE(waits_for("\r\n\r\n"));
    say(R"({"t":"hello","v":1,"peer":")" + name + "\"}");
    EXPECT_TRUE(waits_for("welcome"));
    say(R"({"t":"join","room":"r"})");
    EXPECT_TRUE(waits_for("joined"));
  }
  void say(const std::string& text) {
    std::string frame{static_cast<char>(0x81), static_cast<char>(0x80 | text.size())};
    frame.append(4, '\0');  // a mask that changes nothing
    wire_.write(frame + text);
  }
  bool waits_for(std::string_view text) {
    while (as_text(got_).find(text) == std::string_view::npos) {
      if (wire_.read(got_) != Wire::Read::Some) return false;
    }
    return true;
  }
  std::string got() const { return std::string(as_text(got_)); }
  bool ends() { return wire_.ends(); }
  void close() { wire_.close(); }

 private:
  Wire wire_;
  Bytes got_;
};

TEST(Drain, SignalingClientsAreSentAway) {
  config::Config config = draining_config(60s);
  config.auth.secrets = {"north"};
  const Server server(config);
  Member ada(server, "ada");
  const std::future<void> over = drain(server);
  ASSERT_TRUE(ada.waits_for("goaway"));
  EXPECT_NE(ada.got().find("retryAfter"), std::string::npos);
  const std::string refused = [&] {
    Wire late(server.http(), {});
    late.write(
        "GET /v1/ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    Bytes bytes;
    while (late.read(bytes, 2s) == Wire::Read::Some) {
      if (as_text(bytes).find("server_draining") != std::string_view::npos) break;
    }
    return std::string(as_text(bytes));
  }();
  EXPECT_NE(refused.find("server_draining"), std::string::npos) << refused;
  EXPECT_TRUE(ada.ends()) << "who does not go is disconnected when its time is over";
  EXPECT_TRUE(is_over(over, kPatience));
}

std::string upgrade_to(const std::string& target) {
  return "GET " + target +
         " HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}

// They know no goaway: they are closed, each in its time, and come back by themselves.
TEST(Drain, ClientsOfPeerJsAndSocketIoAreSentAway) {
  config::Config config = draining_config(60s);
  config.auth.secrets = {"north"};
  config.signal.open = true;
  const Server server(config);
  Wire peerjs(server.http(), {});
  peerjs.write(upgrade_to("/peerjs/peerjs?key=peerjs&id=ada&token=t"));
  Bytes peerjs_said;
  while (as_text(peerjs_said).find("OPEN") == std::string_view::npos)
    ASSERT_EQ(peerjs.read(peerjs_said), Wire::Read::Some) << as_text(peerjs_said);
  Wire socketio(server.http(), {});
  socketio.write(upgrade_to("/socket.io/?EIO=4&transport=websocket"));
  Bytes socketio_said;
  while (as_text(socketio_said).find("pingInterval") == std::string_view::npos)
    ASSERT_EQ(socketio.read(socketio_said), Wire::Read::Some) << as_text(socketio_said);
  const std::future<void> over = drain(server);
  while (peerjs.read(peerjs_said) == Wire::Read::Some) {
  }
  EXPECT_NE(as_text(peerjs_said).find("\x03\xF4restart"), std::string_view::npos) << "1012";
  EXPECT_EQ(as_text(peerjs_said).find("ERROR"), std::string_view::npos) << "its client would take its life";
  EXPECT_TRUE(socketio.ends());
  EXPECT_TRUE(is_over(over, kPatience));
}

TEST(Drain, AMembersCallOutlivesItsSignaling) {
  config::Config config = draining_config(60s);
  config.auth.secrets = {"north"};
  const Server server(config);
  Member ada(server, "ada");
  ASSERT_TRUE(ada.waits_for("\"credential\"")) << ada.got();
  const std::string said = ada.got();
  const auto value = [&](const std::string& name) {
    const std::size_t begin = said.find('"' + name + "\":\"") + name.size() + 4;
    return said.substr(begin, said.find('"', begin) - begin);
  };
  TurnClient client(Via::Udp, server.turn());
  client.log_in(value("username"), value("credential"));
  ASSERT_EQ(client.allocate(), 0) << said;
  const std::future<void> over = drain(server);
  ASSERT_TRUE(ada.waits_for("goaway"));
  ada.close();
  EXPECT_TRUE(server.settles("turnstone_signaling_members", "", 0));
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(client.refresh(600), 0) << "its credential is good, though its session has gone";
  EXPECT_EQ(client.refresh(0), 0);
  EXPECT_TRUE(is_over(over, kPatience));
}

TEST(Drain, BeginsAndEndsByTheAdminApi) {
  const Server server(draining_config(1s));
  const AdminClient admin(server.runtime->ports().admin);
  TurnClient client(Via::Udp, server.turn());
  EXPECT_EQ(admin.ask("DELETE", "/v1/drain").status, 409);
  EXPECT_EQ(admin.ask("POST", "/v1/drain").status, 202);
  EXPECT_EQ(admin.get("/v1/status").json()["draining"], true);
  EXPECT_EQ(client.allocate(), 508);
  std::this_thread::sleep_for(2s);
  EXPECT_EQ(admin.get("/v1/status").json()["draining"], true) << "it ends by SIGTERM, or not at all";
  EXPECT_EQ(admin.ask("DELETE", "/v1/drain").status, 202);
  EXPECT_EQ(client.allocate(), 0);
  EXPECT_TRUE(answers(server, "/readyz", " 200 "));
  const Member ada(server, "ada");
}

}  // namespace
}  // namespace ts::shell_test
