// SPDX-License-Identifier: Apache-2.0
// PROXY protocol headers, whole and cut at every byte, in heap buffers of exactly their size.
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/base/proxy_header.hpp>

namespace ts {
namespace {

using Parsed = Result<std::optional<ProxyHeader>, ProxyHeaderError>;

Parsed parse(std::string_view text) {
  const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[text.size()]);
  std::copy(text.begin(), text.end(), exact.get());
  return parse_proxy_header(ByteView(exact.get(), text.size()));
}

/// Version 2 with this version-and-command and family byte, and the rest.
std::string binary(int command, int family, const std::string& block) {
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  out += static_cast<char>(command);
  out += static_cast<char>(family);
  out += static_cast<char>(block.size() >> 8);
  out += static_cast<char>(block.size());
  return out + block;
}

const std::string kV4Block{"\xC0\x00\x02\x01\xCB\x00\x71\x09\x12\x34\x0D\x96", 12};
const std::string kV6Block = std::string("\x20\x01\x0D\xB8", 4) + std::string(11, '\0') + '\x01' +
                             std::string("\x20\x01\x0D\xB8", 4) + std::string(11, '\0') + '\x02' +
                             std::string("\x12\x34\x0D\x96", 4);
const std::string kTlv{"\x04\x00\x02zz", 5};

struct Good {
  std::string name;
  std::string bytes;
  std::string client;  // empty: the socket's own
  std::string server;
};

std::vector<Good> good() {
  return {
      {"tcp4", "PROXY TCP4 192.0.2.1 203.0.113.9 4660 3478\r\n", "192.0.2.1:4660", "203.0.113.9:3478"},
      {"tcp4_port_zero", "PROXY TCP4 192.0.2.1 203.0.113.9 0 65535\r\n", "192.0.2.1:0", "203.0.113.9:65535"},
      {"tcp6", "PROXY TCP6 2001:db8::1 2001:db8::2 4660 3478\r\n", "[2001:db8::1]:4660",
       "[2001:db8::2]:3478"},
      {"longest",
       "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
       "65535\r\n",
       "", ""},
      {"unknown", "PROXY UNKNOWN\r\n", "", ""},
      {"v2_tcp4", binary(0x21, 0x11, kV4Block), "192.0.2.1:4660", "203.0.113.9:3478"},
      {"v2_tcp4_tlv", binary(0x21, 0x11, kV4Block + kTlv), "192.0.2.1:4660", "203.0.113.9:3478"},
      {"v2_tcp6", binary(0x21, 0x21, kV6Block), "[2001:db8::1]:4660", "[2001:db8::2]:3478"},
      {"v2_tcp6_tlvs", binary(0x21, 0x21, kV6Block + std::string(1500, 'x')), "[2001:db8::1]:4660",
       "[2001:db8::2]:3478"},
      {"v2_local", binary(0x20, 0x00, ""), "", ""},
      {"v2_local_ignores_addresses", binary(0x20, 0x11, kV4Block), "", ""},
      {"v2_unspecified", binary(0x21, 0x00, "whatever"), "", ""},
      {"v2_unix", binary(0x21, 0x31, std::string(216, 'u')), "", ""},
  };
}

TEST(ProxyHeader, IsReadWholeAndAtEveryCutAsksForMore) {
  for (const Good& g : good()) {
    SCOPED_TRACE(g.name);
    for (std::size_t cut = 0; cut < g.bytes.size(); ++cut) {
      const Parsed part = parse(std::string_view(g.bytes).substr(0, cut));
      ASSERT_TRUE(part.has_value()) << cut;
      ASSERT_FALSE(part->has_value()) << cut;
    }
    for (const std::string& behind : {std::string(), std::string("\x01"), std::string(70'000, 'G')}) {
      const Parsed whole = parse(g.bytes + behind);
      ASSERT_TRUE(whole.has_value());
      ASSERT_TRUE(whole->has_value());
      EXPECT_EQ((*whole)->bytes, g.bytes.size());
      ASSERT_EQ((*whole)->endpoints.has_value(), !g.client.empty());
      if (g.client.empty()) continue;
      EXPECT_EQ((*whole)->endpoints->client.to_string(), g.client);
      EXPECT_EQ((*whole)->endpoints->server.to_string(), g.server);
    }
  }
}

TEST(ProxyHeader, LongestLineIsAsLongAsTheStandardSays) {
  EXPECT_EQ(good()[3].bytes.size(), kMaxProxyLineBytes);
}

TEST(ProxyHeader, AnythingElseIsRefused) {
  using enum ProxyHeaderError;
  const std::vector<std::pair<std::string, ProxyHeaderError>> bad = {
      {"GET / HTTP/1.1\r\n", NotAHeader},
      {std::string(1, '\0'), NotAHeader},
      {"\x16\x03\x01", NotAHeader},
      {"PROXX", NotAHeader},
      {"proxy TCP4", NotAHeader},
      {"\r\n\r\n\n", NotAHeader},
      {"PROXY \r\n", Malformed},
      {"PROXY TCP4\r\n", Malformed},
      {"PROXY TCP4 \r\n", Malformed},
      {"PROXY TCP5 192.0.2.1 203.0.113.9 1 2\r\n", Malformed},
      {"PROXY TCP6 192.0.2.1 203.0.113.9 1 2\r\n", Malformed},
      {"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", Malformed},
      {"PROXY TCP4 192.0.2.1 2001:db8::2 1 2\r\n", Malformed},
      {"PROXY TCP4 192.0.2.1 203.0.113.9 1\r\n", Malformed},
      {"PROXY TCP4 192.0.2.1 203.0.113.9 1 2 3\r\n", Malformed},
      {"PROXY TCP4 192.0.2.1 203.0.113.9 1 \r\n", Malformed},
      {"PROXY TCP4  192.0.2.1 203.0.113.9 1 2\r\n", Malformed},
      {"PROXY TCP4 192.0.2.1 203.0.113.9 01 2\r\n", Malformed},
      {"PROXY TCP4 192.0.2.1 203.0.113.9 1 65536\r\n", Malformed},
      {"PROXY TCP4 192.0.2.1 203.0.113.9 -1 2\r\n", Malformed},
      {"PROXY TCP4 192.0.2.1 203.0.113.9 1 2 \r\n", Malformed},
      {"PROXY TCP4 192.0.2.256 203.0.113.9 1 2\r\n", Malformed},
      {"PROXY UNKNOWN " + std::string(200, 'x'), TooLong},
      {"PROXY UNKNOWN" + std::string(93, ' ') + "\r\n", TooLong},
      {binary(0x11, 0x11, kV4Block), Malformed},
      {binary(0x22, 0x11, kV4Block), Malformed},
      {binary(0x21, 0x12, kV4Block), Malformed},
      {binary(0x21, 0x22, kV6Block), Malformed},
      {binary(0x21, 0x41, kV6Block), Malformed},
      {binary(0x21, 0x13, kV4Block), Malformed},
      {binary(0x21, 0x11, kV4Block.substr(0, 11)), Malformed},
      {binary(0x21, 0x21, kV6Block.substr(0, 35)), Malformed},
      {binary(0x21, 0x31, std::string(215, 'u')), Malformed},
      {binary(0x21, 0x11, kV4Block + std::string(kMaxProxyHeaderBytes, 'x')), TooLong},
  };
  for (const auto& [bytes, error] : bad) {
    const Parsed parsed = parse(bytes);
    ASSERT_FALSE(parsed.has_value()) << bytes;
    EXPECT_EQ(parsed.error(), error) << bytes;
  }
}

}  // namespace
}  // namespace ts
