// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <gtest/gtest.h>

#include <turnstone/base/redis_url.hpp>

namespace ts {
namespace {

std::string show(std::string_view text) {
  const auto url = RedisUrl::parse(text);
  if (!url) return "none";
  return (url->tls ? "tls " : "plain ") + url->host + ' ' + std::to_string(url->port) +
         (url->is_loopback() ? " here" : "");
}

TEST(RedisUrl, WhatAnOperatorWrites) {
  EXPECT_EQ(show("redis://redis.example.org"), "plain redis.example.org 6379");
  EXPECT_EQ(show("rediss://redis.example.org:6380/"), "tls redis.example.org 6380");
  EXPECT_EQ(show("redis://127.0.0.1:7000"), "plain 127.0.0.1 7000 here");
  EXPECT_EQ(show("redis://[::1]"), "plain ::1 6379 here");
  EXPECT_EQ(show("redis://[2001:db8::1]:7000"), "plain 2001:db8::1 7000");
}

TEST(RedisUrl, WhatIsNone) {
  for (const char* text : {"", "redis://", "redis:///", "http://a", "redis://user:word@a", "redis://a/1",
                           "redis://a?x", "redis://a:0x", "redis://a:65536", "redis:a", "a:6379"})
    EXPECT_EQ(show(text), "none") << text;
}

}  // namespace
}  // namespace ts
