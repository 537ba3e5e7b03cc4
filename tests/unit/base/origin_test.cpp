// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <turnstone/base/origin.hpp>

namespace ts {
namespace {

/// Reads from a buffer of exactly the text's size; "-" for what is none.
std::string spelled(const std::string& text) {
  const auto copy = std::make_unique<char[]>(text.size());
  std::copy(text.begin(), text.end(), copy.get());
  const auto origin = Origin::parse({copy.get(), text.size()});
  return origin ? std::string(origin->text()) : "-";
}

TEST(Origin, HasOneSpelling) {
  EXPECT_EQ(spelled("https://app.example.org"), "https://app.example.org");
  EXPECT_EQ(spelled("HTTPS://App.Example.ORG:443/"), "https://app.example.org");
  EXPECT_EQ(spelled("http://example.org:80"), "http://example.org");
  EXPECT_EQ(spelled("http://example.org:443"), "http://example.org:443");
  EXPECT_EQ(spelled("https://example.org:8443"), "https://example.org:8443");
  EXPECT_EQ(spelled("http://[2001:DB8::1]:8080"), "http://[2001:db8::1]:8080");
  EXPECT_EQ(spelled("http://[2001:db8::1]"), "http://[2001:db8::1]");
  EXPECT_EQ(spelled("sip:Example.com"), "sip:example.com");
  EXPECT_EQ(spelled("chrome-extension://abcd"), "chrome-extension://abcd");
  EXPECT_EQ(spelled("https://" + std::string(259, 'a')), "https://" + std::string(259, 'a'));
}

TEST(Origin, AllElseIsNone) {
  for (const std::string& text : {std::string(),
                                  std::string("null"),
                                  std::string("example.org"),
                                  std::string("https://"),
                                  std::string("https:///"),
                                  std::string("://example.org"),
                                  std::string("1http://example.org"),
                                  std::string("https://example.org/path"),
                                  std::string("https://example.org//"),
                                  std::string("https://u@example.org"),
                                  std::string("https://example.org?x"),
                                  std::string("https://exa mple.org"),
                                  std::string("https://example.org:"),
                                  std::string("https://example.org:0"),
                                  std::string("https://example.org:0443"),
                                  std::string("https://example.org:65536"),
                                  std::string("https://example.org:99999"),
                                  std::string("https://example.org:1:2"),
                                  std::string("https://[::1"),
                                  std::string("https://[]"),
                                  std::string("https://[g::1]"),
                                  std::string("https://::1"),
                                  std::string("https://\xc3\xa4.org"),
                                  std::string("https://a\0b", 11),
                                  "https://" + std::string(260, 'a')}) {
    EXPECT_EQ(spelled(text), "-") << text;
  }
}

}  // namespace
}  // namespace ts
