// SPDX-License-Identifier: Apache-2.0
// Socket.IO in the whole server: where it is, who may read the list of connections, and its metrics.
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

config::Config with_token() {
  config::Config config = loopback_config();
  config.signal.token = "t";
  return config;
}

std::string get(const Server& server, const std::string& target,
                const std::string& more = "Connection: close\r\n") {
  Wire wire(server.http(), {});
  wire.write("GET " + target + " HTTP/1.1\r\nHost: test\r\n" + more + "\r\n");
  Bytes out;
  while (wire.read(out) == Wire::Read::Some) {
  }
  return std::string(as_text(out));
}

TEST(SocketIoOfTheServer, IsWhereTheConfigurationSays) {
  const std::string query = "?EIO=4&transport=polling";
  {
    const Server server(with_token());
    const std::string answer = get(server, "/socket.io/" + query);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
    EXPECT_NE(answer.find("\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}"),
              std::string::npos);
    EXPECT_EQ(sample(server.metrics(), "turnstone_socketio_sessions", "transport=\"polling\""), 1);
    EXPECT_TRUE(get(server, "/connections").starts_with("HTTP/1.1 403"));
  }
  config::Config config = with_token();
  config.socketio.path = "/a/b/";
  config.socketio.public_connections = true;
  {
    const Server server(config);
    EXPECT_TRUE(get(server, "/a/b/" + query).starts_with("HTTP/1.1 200"));
    EXPECT_TRUE(get(server, "/socket.io/" + query).starts_with("HTTP/1.1 404"));
    const std::string list = get(server, "/connections");
    EXPECT_TRUE(list.starts_with("HTTP/1.1 200") && list.ends_with("\r\n\r\n[]")) << list;
  }
  config.socketio.enabled = false;
  const Server server(config);
  EXPECT_TRUE(get(server, "/a/b/" + query).starts_with("HTTP/1.1 404"));
  EXPECT_TRUE(get(server, "/connections").starts_with("HTTP/1.1 404"));
}

TEST(SocketIoOfTheServer, OriginsAreThoseOfSignaling) {
  config::Config config = with_token();
  config.signal.allowed_origins = {"https://app.example"};
  config.socketio.credentials = true;
  const Server server(std::move(config));
  const std::string target = "/socket.io/?EIO=4&transport=polling";
  const std::string good = get(server, target, "Connection: close\r\nOrigin: https://app.example\r\n");
  EXPECT_TRUE(good.starts_with("HTTP/1.1 200"));
  EXPECT_NE(good.find("Access-Control-Allow-Origin: https://app.example\r\n"), std::string::npos);
  EXPECT_NE(good.find("Access-Control-Allow-Credentials: true\r\n"), std::string::npos);
  EXPECT_NE(good.find("Vary: Origin\r\n"), std::string::npos);
  const std::string bad = get(server, target, "Connection: close\r\nOrigin: https://other.example\r\n");
  EXPECT_TRUE(bad.starts_with("HTTP/1.1 403"));
  EXPECT_NE(bad.find(R"({"code":4,"message":"Forbidden"})"), std::string::npos);
  EXPECT_EQ(bad.find("Access-Control"), std::string::npos);
  const std::string upgrade =
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  EXPECT_TRUE(
      get(server, "/socket.io/?EIO=4&transport=websocket", upgrade + "Origin: https://other.example\r\n")
          .starts_with("HTTP/1.1 403"));
}

}  // namespace
}  // namespace ts::shell_test
