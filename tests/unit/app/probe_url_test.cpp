// SPDX-License-Identifier: Apache-2.0
// The probe's pure parts: URLs, printable texts, HTTP heads, WebSocket frames, verdicts.
#include <gtest/gtest.h>

#include "../../../src/app/probe/report.hpp"
#include "../../../src/app/probe/text.hpp"
#include "../../../src/app/probe/url.hpp"
#include "../../../src/app/probe/web_codec.hpp"

namespace ts::app::probe {
namespace {

struct Good {
  const char* text;
  Url url;
};

TEST(ProbeUrl, Accepts) {
  const Good table[] = {
      {"stun:example.org", {Service::Stun, Carrier::Udp, "example.org", 3478, ""}},
      {"STUN:example.org:3479", {Service::Stun, Carrier::Udp, "example.org", 3479, ""}},
      {"stun:example.org?transport=tcp", {Service::Stun, Carrier::Tcp, "example.org", 3478, ""}},
      {"stuns:example.org", {Service::Stun, Carrier::Tls, "example.org", 5349, ""}},
      {"stun:[2001:DB8::1]", {Service::Stun, Carrier::Udp, "2001:db8::1", 3478, ""}},
      {"turn:192.0.2.1", {Service::Turn, Carrier::Udp, "192.0.2.1", 3478, ""}},
      {"turn:[::1]:99?transport=udp", {Service::Turn, Carrier::Udp, "::1", 99, ""}},
      {"turns:[::1]:99?transport=udp", {Service::Turn, Carrier::Dtls, "::1", 99, ""}},
      {"stuns:example.org?transport=udp", {Service::Stun, Carrier::Dtls, "example.org", 5349, ""}},
      {"turn:h?transport=TCP", {Service::Turn, Carrier::Tcp, "h", 3478, ""}},
      {"turns:h?transport=tcp", {Service::Turn, Carrier::Tls, "h", 5349, ""}},
      {"turns:h:443", {Service::Turn, Carrier::Tls, "h", 443, ""}},
      {"ws://h", {Service::WebSocket, Carrier::Tcp, "h", 80, ""}},
      {"wss://h:8443/v1/ws?a=b", {Service::WebSocket, Carrier::Tls, "h", 8443, "/v1/ws?a=b"}},
      {"http://[::1]:8080/", {Service::Http, Carrier::Tcp, "::1", 8080, ""}},
      {"https://h?x#y", {Service::Http, Carrier::Tls, "h", 443, "/?x"}},
  };
  for (const Good& good : table) {
    const auto url = parse_url(good.text);
    ASSERT_TRUE(url.has_value()) << good.text << ": " << url.error().text;
    EXPECT_TRUE(*url == good.url) << good.text << " " << url->host << " " << url->port << " " << url->target;
  }
}

TEST(ProbeUrl, Refuses) {
  const std::string long_host = "stun:" + std::string(254, 'a');
  const std::string long_url = "http://h/" + std::string(2048, 'a');
  const char* const table[] = {
      "",
      "stun",
      "stun:",
      "stun://example.org",
      "stun:example.org:",
      "stun:example.org:0",
      "stun:example.org:65536",
      "stun:example.org:+1",
      "stun:example.org:12x",
      "stun:2001:db8::1",
      "stun:[2001:db8::1",
      "stun:[192.0.2.1]",
      "stun:[::1]3478",
      "stun:[fe80::1%eth0]",
      "stun:192.0.2.256",
      "stun:1.2.3",
      "stun:a b",
      "stun:a\nb",
      "stun:ex\xC3\xA4mple.org",
      "stun:.example.org",
      "stun:a..b",
      "stun:-a",
      "turn:user@example.org",
      "turn:example.org/path",
      "turn:example.org?",
      "turn:example.org?transport=sctp",
      "turn:example.org?transport=udp&a=b",
      "ws:example.org",
      "ws://",
      "wss://u:p@example.org/",
      "http:///path",
      "ftp://example.org",
      long_host.c_str(),
      long_url.c_str(),
  };
  for (const char* text : table) {
    const auto url = parse_url(text);
    ASSERT_TRUE(url.has_error()) << text;
    EXPECT_FALSE(url.error().text.empty()) << text;
  }
}

TEST(ProbeUrl, Redacts) {
  EXPECT_EQ(redacted("turn:h:1?transport=tcp"), "turn:h:1?transport=tcp");
  EXPECT_EQ(redacted("turn:u:pw@h"), "turn:***@h");
  EXPECT_EQ(redacted("wss://h/v1/ws?token=abc"), "wss://h/v1/ws?***");
}

TEST(ProbeText, IsSafeForTerminals) {
  EXPECT_EQ(printable("a\x1B[31mb"), "a?[31mb");
  EXPECT_EQ(printable("a\u061Cb\u180Ec\U000E0041d"), "a?b?c?d") << "marks that nobody sees";
  EXPECT_EQ(printable("\xC3\xA4\xFF\xC2\x9B"), "\xC3\xA4??");
  EXPECT_EQ(printable("abc\xE2\x80\xAE"), "abc?");
  EXPECT_EQ(printable("abcdef", 3), "abc…");
  EXPECT_EQ(columns("ä→b"), 3U);
}

TEST(ProbeHttp, Heads) {
  EXPECT_FALSE((*parse_http_head("")).has_value());
  EXPECT_FALSE((*parse_http_head("HTTP/1.1 200 OK\r\nA: b\r\n")).has_value());
  const auto head = parse_http_head("HTTP/1.1 101 X\r\nsec-websocket-ACCEPT:  y \r\n\r\nrest");
  ASSERT_TRUE(head.has_value() && head->has_value());
  EXPECT_EQ((**head).status, 101U);
  EXPECT_EQ((**head).field("Sec-WebSocket-Accept"), "y");
  EXPECT_EQ((**head).bytes, 45U);
  EXPECT_TRUE(parse_http_head("SSH-2.0").has_error());
  EXPECT_TRUE(parse_http_head("HTTP/1.1 2x0 OK\r\n\r\n").has_error());
  EXPECT_TRUE(parse_http_head("HTTP/1.1 200\r\nnocolon\r\n\r\n").has_error());
  EXPECT_TRUE(parse_http_head("HTTP/1.1 200 " + std::string(kMaxHeadBytes, 'x')).has_error());
}

TEST(ProbeWebSocket, AcceptOfRfc6455) {
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(ProbeWebSocket, Frames) {
  const std::uint8_t hello[] = {0x81, 0x05, 'H', 'e', 'l', 'l', 'o', 0xFF};
  const auto frame = parse_frame(hello);
  ASSERT_TRUE(frame.has_value() && frame->has_value());
  EXPECT_EQ((**frame).payload, "Hello");
  EXPECT_EQ((**frame).consumed_bytes, 7U);
  for (std::size_t size = 0; size < 7; ++size) {
    EXPECT_FALSE((*parse_frame(ByteView(hello, size))).has_value()) << size;
  }
  const std::uint8_t masked[] = {0x81, 0x80, 0, 0, 0, 0};
  EXPECT_TRUE(parse_frame(masked).has_error());
  const std::uint8_t huge[] = {0x81, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
  EXPECT_TRUE(parse_frame(huge).has_error());
  const std::uint8_t reserved[] = {0xC1, 0x00};
  EXPECT_TRUE(parse_frame(reserved).has_error());
  // RFC 6455 §5.7: a masked "Hello".
  const std::vector<std::uint8_t> expected{0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58};
  EXPECT_EQ(make_frame(Opcode::Text, "Hello", {0x37, 0xFA, 0x21, 0x3D}), expected);
  EXPECT_EQ(make_frame(Opcode::Text, std::string(200, 'a'), {}).size(), 208U);
  EXPECT_EQ(make_frame(Opcode::Text, std::string(70'000, 'a'), {}).size(), 70'014U);
}

TEST(ProbeReport, OneGoodAddressIsEnough) {
  Report report;
  report.attempt({}, {}).record("resolve", Duration{}, Note{});
  report.attempt("[::1]:1", "UDP").record("binding", Duration{}, Problem{"refused", "start it", false});
  report.conclude();
  EXPECT_FALSE(report.ok);
  EXPECT_EQ(report.verdict, "binding: refused");
  EXPECT_EQ(report.remedy, "start it");
  report.attempt("127.0.0.1:1", "UDP").record("binding", Duration{}, Note{});
  report.conclude();
  EXPECT_TRUE(report.ok);
  EXPECT_EQ(report.verdict, "works at 127.0.0.1:1, but not at every address: binding: refused");
}

TEST(ProbeReport, ResolvedToNothingFails) {
  Report report;
  report.attempt({}, {}).record("resolve", Duration{}, Note{});
  report.conclude();
  EXPECT_FALSE(report.ok);
}

TEST(ProbeReport, Json) {
  Report report;
  report.url = "stun:h";
  report.attempt("127.0.0.1:1", "UDP")
      .record("binding", Duration{}, Note{"\xFF", {{"n", std::int64_t{7}}}, false, {}});
  report.conclude();
  const std::string text = to_json({report});
  EXPECT_NE(text.find("\"ok\": true"), std::string::npos);
  EXPECT_NE(text.find("\"n\": 7"), std::string::npos);
  EXPECT_NE(text.find("\"transport\": \"udp\""), std::string::npos);
}

}  // namespace
}  // namespace ts::app::probe
