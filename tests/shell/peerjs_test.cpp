// SPDX-License-Identifier: Apache-2.0
// PeerJS over real sockets: the paths and messages of its client, beside the native protocol.
#include <nlohmann/json.hpp>

#include <turnstone/dialect/peerjs.hpp>

#include "http_support.hpp"

namespace ts::net::http_test {
namespace {

using nlohmann::json;

class PeerJsHttp : public ::testing::Test {
 protected:
  PeerJsHttp() : server_(settings()) {
    server_.run([this] {
      peerjs_.emplace(dialect::PeerJsOptions{}, server_.router(), random_, 2);
      server_.http().mount(PeerJsMount{"/peerjs/", &*peerjs_});
    });
  }
  ~PeerJsHttp() override {
    server_.run([this] { server_.http().stop(); });
  }
  static Settings settings() {
    Settings out;
    out.signal.token = "secret";
    out.signal.allowed_origins = {"https://app.example"};
    return out;
  }
  static std::string target(const std::string& id, const std::string& token = "t") {
    return "/peerjs/peerjs?key=secret&id=" + id + "&token=" + token + "&version=1.5.4";
  }
  Client opened(const std::string& id, const std::string& token = "t") {
    Client client = server_.connect();
    EXPECT_EQ(client.upgrade("", target(id, token)).status, 101U);
    EXPECT_EQ(client.next_text(), R"({"type":"OPEN"})");
    return client;
  }

  SystemRandom random_;
  std::optional<dialect::PeerJs> peerjs_;
  Server server_;
};

TEST_F(PeerJsHttp, Paths) {
  Client client = server_.connect();
  for (const char* root : {"/peerjs", "/peerjs/"})
    EXPECT_TRUE(json::parse(client.get(root).body).contains("name"));
  const Answer id =
      client.get("/peerjs/secret/id?ts=1&version=1.5.4", "Origin: https://elsewhere.example\r\n");
  EXPECT_EQ(id.status, 200U);
  EXPECT_EQ(id.body.size(), 36U);
  EXPECT_EQ(id.field("access-control-allow-origin"), "*");
  EXPECT_EQ(id.field("cache-control"), "no-store");
  EXPECT_EQ(client.get("/peerjs/peerjs/id").status, 200U);
  EXPECT_EQ(client.get("/peerjs/wrong/id").status, 401U);
  EXPECT_EQ(client.get("/peerjs/secret/peers").status, 401U);
  EXPECT_EQ(client.get("/peerjs/secret/other").status, 404U);
  EXPECT_EQ(client.get("/peerjsx").status, 404U);
  EXPECT_EQ(client.get("/peerjs/peerjs").status, 426U);
  EXPECT_EQ(client.ask("POST", "/peerjs/secret/id").status, 405U);
  EXPECT_EQ(client.ask("OPTIONS", "/peerjs/secret/id").status, 204U);
}

TEST_F(PeerJsHttp, TwoPeersAndAReconnect) {
  Client ada = opened("ada");
  Client bob = opened("bob");
  ada.text(R"({"type":"HEARTBEAT"})");
  ada.text(R"({"type":"OFFER","payload":{"sdp":"x"},"dst":"bob"})");
  EXPECT_EQ(bob.next_text(), R"({"type":"OFFER","src":"ada","dst":"bob","payload":{"sdp":"x"}})");
  Client thief = server_.connect();
  EXPECT_EQ(thief.upgrade("", target("ada", "other")).status, 101U);
  EXPECT_EQ(thief.next_text(), R"({"type":"ID-TAKEN","payload":{"msg":"ID is taken"}})");
  EXPECT_EQ(thief.next_close(), 1000U);
  Client again = opened("ada");
  EXPECT_EQ(ada.next_close(), 4009U);
  bob.text(R"({"type":"ANSWER","payload":1,"dst":"ada"})");
  EXPECT_EQ(again.next_text(), R"({"type":"ANSWER","src":"bob","dst":"ada","payload":1})");
  bob.close();
  for (int i = 0; i < 200 && server_.run([this] { return peerjs_->counters().connections; }) != 1; ++i)
    std::this_thread::sleep_for(10ms);
  EXPECT_EQ(server_.run([this] { return peerjs_->counters().connections; }), 1U);
}

TEST_F(PeerJsHttp, OnlyPagesOfAllowedOriginsOpenIt) {
  Client bad = server_.connect();
  EXPECT_EQ(bad.upgrade("Origin: https://elsewhere.example\r\n", target("ada")).status, 403U);
  Client good = server_.connect();
  EXPECT_EQ(good.upgrade("Origin: https://app.example\r\n", target("ada")).status, 101U);
  Client refused = server_.connect();
  EXPECT_EQ(refused.upgrade("", "/peerjs/peerjs?key=wrong&id=a&token=t").status, 101U);
  EXPECT_EQ(refused.next_text(), R"({"type":"ERROR","payload":{"msg":"Invalid key provided"}})");
  EXPECT_EQ(refused.next_close(), 1000U);
}

}  // namespace
}  // namespace ts::net::http_test
