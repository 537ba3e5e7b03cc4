// SPDX-License-Identifier: Apache-2.0
// Routes, fields, keep-alive, limits and ends of plain HTTP.
#include <turnstone/net/assets.hpp>

#include "http_support.hpp"

namespace ts::net::http_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// What is for everybody: all but the console.
std::vector<Asset> public_assets() {
  std::vector<Asset> out;
  for (const Asset& asset : assets()) {
    if (!asset.path.starts_with(kConsolePath)) out.push_back(asset);
  }
  return out;
}

TEST(HttpRoutes, AssetsAreServedAsTheyAre) {
  Server server(open_settings());
  Client client = server.connect();
  ASSERT_GE(public_assets().size(), 5U);
  for (const Asset& asset : public_assets()) {
    const Answer answer = client.get(asset.path);
    EXPECT_EQ(answer.status, 200U) << asset.path;
    EXPECT_EQ(answer.body, asset.body) << asset.path;
    EXPECT_EQ(answer.field("content-type"), asset.mime);
    EXPECT_EQ(answer.field("etag"), asset.etag);
    EXPECT_EQ(answer.field("cache-control"), "no-cache");
    EXPECT_EQ(answer.field("x-content-type-options"), "nosniff");
    EXPECT_EQ(answer.field("referrer-policy"), "no-referrer");
    EXPECT_THAT(answer.field("content-security-policy"), HasSubstr("connect-src 'self' ws: wss:"));
    const bool shared = asset.path.starts_with("/client/");
    EXPECT_EQ(answer.field("access-control-allow-origin"), shared ? "*" : "");
  }
  for (const char* path : {"/", "/demo.css", "/demo.js", "/client/turnstone.js", "/client/events.js",
                           "/client/turnstone.d.ts"}) {
    EXPECT_NE(find_asset(path), nullptr) << path;
  }
  ASSERT_NE(find_asset("/console/"), nullptr);
  EXPECT_EQ(client.get("/console/").status, 404U) << "the admin listener has it";
  EXPECT_THAT(std::string(find_asset("/")->body), StartsWith("<!DOCTYPE html>"));
}

TEST(HttpRoutes, AnAssetThatTheClientHasIsNotSentAgain) {
  Server server(open_settings());
  Client client = server.connect();
  const std::string tag(find_asset("/demo.js")->etag);
  for (const std::string& value : {tag, "W/" + tag, "\"x\", " + tag, std::string("*")}) {
    const Answer answer = client.get("/demo.js", "If-None-Match: " + value + "\r\n");
    EXPECT_EQ(answer.status, 304U) << value;
    EXPECT_EQ(answer.field("etag"), tag);
  }
  EXPECT_EQ(client.get("/demo.js", "If-None-Match: \"x\"\r\n").status, 200U);
}

TEST(HttpRoutes, AssetsAreCompressedForWhoTakesIt) {
  Server server(open_settings());
  Client client = server.connect();
  for (const Asset& asset : public_assets()) {
    const Answer answer = client.get(asset.path, "Accept-Encoding: br, gzip, deflate\r\n");
    EXPECT_EQ(answer.status, 200U) << asset.path;
    EXPECT_EQ(answer.field("content-encoding"), "gzip");
    EXPECT_EQ(answer.field("vary"), "Accept-Encoding");
    EXPECT_EQ(answer.body, asset.gzip);
    ASSERT_GT(answer.body.size(), 18U);
    EXPECT_EQ(answer.body.substr(0, 3), "\x1f\x8b\x08");
    // RFC 1952 §2.3.1: the trailer ends with the size of what was compressed.
    std::size_t bytes = 0;
    for (std::size_t i = 1; i <= 4; ++i)
      bytes = bytes * 256 + static_cast<unsigned char>(answer.body[answer.body.size() - i]);
    EXPECT_EQ(bytes, asset.body.size());
    const std::string tag = answer.field("etag");
    EXPECT_NE(tag, asset.etag);
    EXPECT_EQ(client.get(asset.path, "Accept-Encoding: gzip\r\nIf-None-Match: " + tag + "\r\n").status, 304U);
    EXPECT_EQ(client.get(asset.path, "If-None-Match: " + tag + "\r\n").status, 200U) << "another one";
  }
  EXPECT_EQ(client.get("/", "Accept-Encoding: gzip;q=0\r\n").field("content-encoding"), "");
  EXPECT_LT(find_asset("/client/turnstone.js")->gzip.size() + find_asset("/client/events.js")->gzip.size(),
            12U * 1024)
      << "what people are promised";
}

TEST(HttpRoutes, HeadIsAGetWithoutBody) {
  Server server(open_settings());
  Client client = server.connect();
  const Answer answer = client.ask("HEAD", "/demo.css");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.field("content-length"), std::to_string(find_asset("/demo.css")->body.size()));
  EXPECT_EQ(client.ask("HEAD", "/metrics").field("content-length"), "5");
  EXPECT_EQ(client.get("/healthz").status, 200U);
}

TEST(HttpRoutes, HandlersAnswer) {
  Server server(open_settings());
  Client client = server.connect();
  EXPECT_EQ(client.get("/metrics").body, "up 1\n");
  EXPECT_EQ(client.get("/healthz?x=y").body, "{\"status\":\"ok\"}");
  EXPECT_EQ(client.get("/readyz").status, 500U);
  EXPECT_EQ(client.get("http://test/healthz").status, 200U);
  EXPECT_EQ(client.get("http://elsewhere.example?x").status, 200U) << "no path: the root";
}

TEST(HttpRoutes, MetricsAreNotForEveryone) {
  Settings settings = open_settings();
  settings.http.metrics_allow_from = {*IpNetwork::parse("10.0.0.0/8")};
  Server server(settings);
  Client client = server.connect();
  EXPECT_EQ(client.get("/metrics").status, 403U);
  EXPECT_EQ(client.get("/healthz").status, 200U);
}

TEST(HttpRoutes, WrongPathsAndMethods) {
  Server server(open_settings());
  Client client = server.connect();
  for (const char* path : {"/nothing", "/demo", "/../etc/passwd", "/%2e%2e/x", "/demo.js/", "//"}) {
    EXPECT_EQ(client.get(path).status, 404U) << path;
  }
  EXPECT_EQ(client.ask("POST", "/metrics", {}, "x").field("allow"), "GET, HEAD");
  EXPECT_EQ(client.ask("DELETE", "/").status, 405U);
  EXPECT_EQ(client.ask("BREW", "/turn").status, 405U);
  EXPECT_EQ(client.ask("OPTIONS", "/client/turnstone.js").field("access-control-allow-methods"),
            "GET, HEAD, OPTIONS");
  EXPECT_EQ(client.get("/v1/ws").status, 426U);
  EXPECT_EQ(client.ask("PUT", "/v1/ws").status, 405U);
}

TEST(HttpRoutes, WithoutSignalingThereIsNoWebSocket) {
  Settings settings = open_settings();
  settings.signaling = false;
  Server server(settings);
  EXPECT_EQ(server.connect().upgrade().status, 404U);
}

TEST(HttpTurn, MintsForWhomIsAsked) {
  Server server(open_settings());
  Client client = server.connect();
  const Answer answer = client.get("/turn?service=turn&username=J%c3%bcrgen+M");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.body,
            "{\"username\":\"1:Jürgen M\",\"password\":\"pa\\\"ss\",\"ttl\":600,"
            "\"uris\":[\"turn:a\",\"turns:b\"]}\n");
  EXPECT_EQ(answer.field("access-control-allow-origin"), "*");
  EXPECT_EQ(answer.field("cache-control"), "no-store");
  EXPECT_EQ(client.ask("POST", "/turn?username=a").status, 200U);
  EXPECT_THAT(client
                  .ask("POST", "/turn", "Content-Type: application/x-www-form-urlencoded\r\n",
                       "service=turn&username=form")
                  .body,
              HasSubstr("1:form"));
  EXPECT_EQ(client.get("/turn?service=ftp").status, 400U);
  EXPECT_EQ(client.get("/turn?username=nobody").status, 404U);
  EXPECT_EQ(client.get("/turn?username=a%00b").status, 400U);
  EXPECT_EQ(client.get("/turn?username=%ff").status, 400U);
  EXPECT_EQ(client.get("/turn?username=" + std::string(129, 'a')).status, 400U);
  EXPECT_THAT(client.get("/turn?username=%4").body, HasSubstr("\"1:\""));
}

TEST(HttpTurn, WantsTheToken) {
  Settings settings = open_settings();
  settings.turn_token = "s p+t";
  Server server(settings);
  Client client = server.connect();
  EXPECT_EQ(client.get("/turn?service=turn").field("www-authenticate"), "Bearer");
  EXPECT_EQ(client.get("/turn?key=wrong").status, 401U);
  EXPECT_EQ(client.get("/turn", "Authorization: Basic s p+t\r\n").status, 401U);
  EXPECT_EQ(client.get("/turn", "Authorization: bearer s p+t\r\n").status, 200U);
  EXPECT_EQ(client.get("/turn?key=s%20p%2Bt").status, 200U);
  EXPECT_EQ(client.get("/turn?key=s+p%2bt").status, 200U);
  EXPECT_EQ(client.ask("OPTIONS", "/turn").status, 204U);
  EXPECT_THAT(client.get("/turn?key=s+p%2bt&username=u&sid=a%2Bb&session_key=c").body,
              HasSubstr("\"1:ua+bc\""));
}

TEST(HttpConnections, KeepAliveAndPipelining) {
  Server server(open_settings());
  Client client = server.connect();
  std::string three;
  for (int i = 0; i < 3; ++i) three += "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n";
  ASSERT_TRUE(client.send(three + "POST /turn HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc"));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(client.answer().status, 200U);
  const Answer last = client.get("/healthz", "Connection: close\r\n");
  EXPECT_EQ(last.field("connection"), "close");
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(server.settles_at(0));
  const HttpCounters counters = server.run([&] { return server.http().counters(); });
  EXPECT_EQ(counters.streams_accepted[0], 1U);
  EXPECT_EQ(counters.streams_open[0], 0U);
  EXPECT_EQ(counters.responses[2], 5U);
}

TEST(HttpConnections, OldClientsGetOneAnswerUnlessTheyAsk) {
  Server server(open_settings());
  Client once = server.connect();
  once.send("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_EQ(once.answer().status, 200U);
  EXPECT_TRUE(once.ended());
  Client more = server.connect();
  for (int i = 0; i < 2; ++i) {
    more.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(more.answer().field("connection"), "keep-alive");
  }
}

TEST(HttpConnections, RequestsThatAreNone) {
  Server server(open_settings());
  for (const char* text :
       {"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "nonsense\r\n\r\n", "GET /\r\n\r\n",
        "GET / HTTP/3.7\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    Client client = server.connect();
    client.send(text);
    EXPECT_EQ(client.answer().status, 400U) << text;
    client.half_close();
    EXPECT_TRUE(client.ended());
  }
}

TEST(HttpConnections, TooLargeIsSaid) {
  Server server(open_settings());
  Client header = server.connect();
  header.send("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(40'000, 'a') + "\r\n\r\n");
  EXPECT_EQ(header.answer().status, 431U);
  Client body = server.connect();
  EXPECT_EQ(body.ask("POST", "/turn", {}, std::string(65'537, 'b')).status, 413U);
  Client chunked = server.connect();
  std::string text = "POST /turn HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 5; ++i) text += "4000\r\n" + std::string(0x4000, 'c') + "\r\n";
  chunked.send(text + "0\r\n\r\n");
  EXPECT_EQ(chunked.answer().status, 413U);
  Client fits = server.connect();
  EXPECT_EQ(fits.ask("POST", "/turn", {}, std::string(65'536, 'b')).status, 200U);
}

TEST(HttpConnections, ContinueIsSaidWhenExpected) {
  Server server(open_settings());
  Client client = server.connect();
  client.send("POST /turn HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.answer().status, 100U);
  client.send("ab");
  EXPECT_EQ(client.answer().status, 200U);
}

TEST(HttpConnections, SlowOnesAreCutOff) {
  Settings settings = open_settings();
  settings.http.header_timeout = 100ms;
  settings.http.body_timeout = 100ms;
  settings.http.idle_timeout = 200ms;
  Server server(settings);
  Client idle = server.connect();
  Client header = server.connect();
  Client body = server.connect();
  header.send("GET / HT");
  body.send("POST /turn HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
  EXPECT_EQ(idle.answer().status, 0U);
  EXPECT_EQ(header.answer().status, 0U);
  EXPECT_EQ(body.answer().status, 0U);
  EXPECT_TRUE(server.settles_at(0));
}

// The limits are for clients that drip their requests, not for the work that a request makes.
TEST(HttpConnections, WorkThatTakesLongerThanARequestMayIsAnswered) {
  Settings settings = open_settings();
  settings.http.header_timeout = settings.http.body_timeout = 100ms;
  settings.http.idle_timeout = 100ms;
  settings.metrics_time = 500ms;
  Server server(settings);
  Client client = server.connect();
  EXPECT_EQ(client.get("/metrics").body, "up 1\n");
  EXPECT_EQ(client.get("/metrics").body, "up 1\n") << "and the next one on the same connection";
  client.send("GET / HT");
  EXPECT_EQ(client.answer().status, 0U) << "reading has its limits still";
}

TEST(HttpConnections, AClientThatDoesNotReadIsCutOff) {
  Settings settings = open_settings();
  settings.http.write_timeout = 200ms;
  Server server(settings);
  Client client = server.connect(4096);
  std::string many;
  for (int i = 0; i < 100; ++i) many += "GET /demo.js HTTP/1.1\r\nHost: t\r\n\r\n";
  client.send(many);
  EXPECT_TRUE(server.settles_at(0));
}

TEST(HttpConnections, HalfClosedClientsGetTheirAnswer) {
  Server server(open_settings());
  Client client = server.connect();
  client.send("GET /demo.js HTTP/1.1\r\nHost: t\r\n\r\n");
  client.half_close();
  EXPECT_EQ(client.answer().body, find_asset("/demo.js")->body);
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(server.settles_at(0));
}

TEST(HttpConnections, AbruptEndsAtEveryStage) {
  Server server(open_settings());
  const std::string request = "POST /metrics HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nabcd";
  for (std::size_t cut = 0; cut <= request.size(); cut += 3) {
    for (const bool reset : {false, true}) {
      Client client = server.connect();
      client.send(std::string_view(request).substr(0, cut));
      if (reset) {
        client.reset();
      } else {
        client.close();
      }
    }
  }
  EXPECT_TRUE(server.settles_at(0));
}

TEST(HttpTls, ServesAStreamThatChangedThreads) {
  Server server(open_settings());
  Client client = server.connect_tls();
  for (const Asset& asset : public_assets()) EXPECT_EQ(client.get(asset.path).body, asset.body);
  EXPECT_EQ(client.ask("POST", "/turn", {}, std::string(60'000, 'b')).status, 200U);
  const HttpCounters counters = server.run([&] { return server.http().counters(); });
  EXPECT_EQ(counters.streams_open[1], 1U);
  EXPECT_EQ(client.get("/healthz", "Connection: close\r\n").status, 200U);
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(server.settles_at(0));
}

TEST(HttpTls, AbruptEnds) {
  Server server(open_settings());
  for (const char* text : {"", "GET / HT", "GET /demo.js HTTP/1.1\r\nHost: x\r\n\r\n"}) {
    Client client = server.connect_tls();
    client.send(text);
    client.reset();
  }
  EXPECT_TRUE(server.settles_at(0));
}

TEST(HttpTls, AClosedStreamLeavesItsOldDescriptorAlone) {
  Server server(open_settings());
  auto context = *TlsContext::self_signed({"test"}, {});
  asio::io_context io;
  std::array<int, 2> first{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, first.data()), 0);
  tcp::socket socket(io, tcp::v4(), first[0]);
  Stream stream(std::move(socket), {}, {});
  ASSERT_TRUE(stream.begin_tls(*context));
  stream.close();
  // The number is taken again by someone else, whose bytes are theirs.
  std::array<int, 2> second{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, second.data()), 0);
  ASSERT_EQ(second[0], first[0]);
  ASSERT_EQ(::write(second[1], "\x16\x03\x01", 3), 3);
  EXPECT_EQ(stream.handshake().status, Stream::Status::Closed);
  std::array<std::uint8_t, 8> bytes{};
  EXPECT_EQ(stream.read(bytes).status, Stream::Status::Closed);
  EXPECT_EQ(stream.write(bytes).status, Stream::Status::Closed);
  EXPECT_EQ(::read(second[0], bytes.data(), bytes.size()), 3);
  for (const int fd : {first[1], second[0], second[1]}) ::close(fd);
}

TEST(HttpShutdown, ConnectionsEndWell) {
  Server server(open_settings());
  Client idle = server.connect();
  EXPECT_EQ(idle.get("/healthz").status, 200U);
  Client stuck = server.connect();
  stuck.send("GET / HT");
  ASSERT_TRUE(server.settles_at(2));
  std::promise<void> done;
  server.run([&] { server.http().close_all(signal::CloseCode::Drain, 200ms, [&] { done.set_value(); }); });
  EXPECT_TRUE(idle.ended());
  ASSERT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_TRUE(stuck.ended());
  Client late = server.connect();
  EXPECT_TRUE(late.ended());
}

TEST(HttpShutdown, DrainingEndsKeepAlive) {
  Server server(open_settings());
  Client client = server.connect();
  EXPECT_EQ(client.get("/healthz").field("connection"), "");
  server.run([&] { server.http().drain({1000ms, {}, {}}); });
  EXPECT_EQ(client.get("/healthz").field("connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST(HttpShutdown, TheServerMayGoWithConnectionsOpen) {
  std::optional<Client> plain, tls;
  {
    Server server(open_settings());
    plain.emplace(server.connect());
    tls.emplace(server.connect_tls());
    EXPECT_EQ(plain->get("/healthz").status, 200U);
    EXPECT_EQ(tls->get("/healthz").status, 200U);
    plain->send("GET /");
  }
  EXPECT_TRUE(plain->ended());
  EXPECT_TRUE(tls->ended());
}

}  // namespace
}  // namespace ts::net::http_test
