// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <turnstone/base/http_url.hpp>

namespace ts {
namespace {

struct Good {
  const char* text;
  bool tls;
  const char* host;
  std::uint16_t port;
  const char* target;
  const char* authority;
  bool loopback;
};

TEST(HttpUrl, Reads) {
  for (const Good& good : {
           Good{"http://a.example", false, "a.example", 80, "/", "a.example", false},
           Good{"https://a.example/", true, "a.example", 443, "/", "a.example", false},
           Good{"https://a.example:8443/b/c?d=e&f", true, "a.example", 8443, "/b/c?d=e&f", "a.example:8443",
                false},
           Good{"http://a.example:80?x", false, "a.example", 80, "/?x", "a.example", false},
           Good{"http://127.1.2.3:8080/", false, "127.1.2.3", 8080, "/", "127.1.2.3:8080", true},
           Good{"http://[::1]:8080/x", false, "::1", 8080, "/x", "[::1]:8080", true},
           Good{"https://[2001:db8::1]", true, "2001:db8::1", 443, "/", "[2001:db8::1]", false},
           Good{"http://localhost", false, "localhost", 80, "/", "localhost", true},
       }) {
    const auto url = HttpUrl::parse(good.text);
    ASSERT_TRUE(url) << good.text;
    EXPECT_EQ(url->tls, good.tls) << good.text;
    EXPECT_EQ(url->host, good.host) << good.text;
    EXPECT_EQ(url->port, good.port) << good.text;
    EXPECT_EQ(url->target, good.target) << good.text;
    EXPECT_EQ(url->authority(), good.authority) << good.text;
    EXPECT_EQ(url->is_loopback(), good.loopback) << good.text;
  }
}

TEST(HttpUrl, RefusesTheRest) {
  for (const std::string& text : {std::string(),
                                  std::string("http://"),
                                  std::string("http:///x"),
                                  std::string("ftp://a/"),
                                  std::string("a.example/x"),
                                  std::string("HTTP//a"),
                                  std::string("http://a b/"),
                                  std::string("http://a/ b"),
                                  std::string("http://a/\r\nX: y"),
                                  std::string("http://a/\x7F"),
                                  std::string("http://a/\xC3\xA9"),
                                  std::string("http://a/#f"),
                                  std::string("http://user@a/"),
                                  std::string("http://user:pw@a/"),
                                  std::string("http://a:/"),
                                  std::string("http://a:0/"),
                                  std::string("http://a:65536/"),
                                  std::string("http://a:80x/"),
                                  std::string("http://[::1/"),
                                  std::string("http://[127.0.0.1]/"),
                                  std::string("http://[]/"),
                                  std::string("http://::1/"),
                                  "http://" + std::string(254, 'a') + "/",
                                  "http://a/" + std::string(2048, 'a')}) {
    EXPECT_FALSE(HttpUrl::parse(text)) << text;
  }
}

}  // namespace
}  // namespace ts
