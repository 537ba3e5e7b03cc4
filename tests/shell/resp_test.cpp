// SPDX-License-Identifier: Apache-2.0
// Values of RESP3: whole ones, pieces of them, and what is none.
#include "../../src/net/redis/resp.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace ts::net {
namespace {

std::string show(const RespValue& value) {
  using Kind = RespValue::Kind;
  switch (value.kind) {
    case Kind::Null: return "null";
    case Kind::Text: return '"' + std::string(value.text) + '"';
    case Kind::Error: return '!' + std::string(value.text);
    case Kind::Integer: return std::to_string(value.number);
    case Kind::List:
    case Kind::Push: break;
  }
  std::string out = value.kind == Kind::Push ? ">[" : "[";
  for (const RespValue& item : value.items) out += show(item) + ' ';
  return out + ']';
}

/// All values of a text that comes in pieces; "bad" where it is malformed.
std::string read(std::string_view text, std::size_t step, std::size_t max_bulk = 64) {
  RespReader reader(max_bulk);
  std::string out;
  while (!text.empty()) {
    reader.feed(text.substr(0, step));
    text.remove_prefix(std::min(step, text.size()));
    while (const RespValue* value = reader.next()) out += show(*value) + ';';
  }
  return reader.malformed() ? out + "bad" : out;
}

TEST(Resp, ValuesAreRead) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"+OK\r\n", "\"OK\";"},
      {"-NOAUTH no\r\n", "!NOAUTH no;"},
      {":-12\r\n", "-12;"},
      {"$3\r\na\r\n\r\n", "\"a\r\n\";"},
      {"$0\r\n\r\n", "\"\";"},
      {"$-1\r\n_\r\n*-1\r\n", "null;null;null;"},
      {"*2\r\n:1\r\n$1\r\nx\r\n", "[1 \"x\" ];"},
      {"%1\r\n+proto\r\n:3\r\n", "[\"proto\" 3 ];"},
      {">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n:1\r\n", ">[\"message\" \"c\" \"hi\" ];1;"},
      {"#t\r\n,1.5\r\n=7\r\ntxt:abc\r\n", "\"t\";\"1.5\";\"txt:abc\";"},
      {"!5\r\nERR x\r\n", "!ERR x;"},
  };
  for (const auto& [text, expected] : cases) {
    for (const std::size_t step : {text.size(), std::size_t{1}, std::size_t{3}})
      EXPECT_EQ(read(text, step), expected) << text;
  }
}

TEST(Resp, WhatIsNoneIsMalformedForGood) {
  std::string deep;
  for (int i = 0; i < 6; ++i) deep += "*1\r\n";
  for (const std::string& text :
       {std::string("\r\n"), std::string("?x\r\n"), std::string("$65\r\n"), std::string("$-2\r\n"),
        std::string("$x\r\n"), std::string("$1\r\nab\r\n"), std::string("*257\r\n"), std::string(":\r\n"),
        std::string(":1x\r\n"), std::string(5000, '+'), std::string("$99999999999999999999\r\n"), deep}) {
    EXPECT_EQ(read(text, text.size()), "bad") << text.substr(0, 40);
    EXPECT_EQ(read(text, 1), "bad") << text.substr(0, 40);
  }
  RespReader reader(64);
  reader.feed("?\r\n+OK\r\n");
  EXPECT_EQ(reader.next(), nullptr);
  EXPECT_EQ(reader.next(), nullptr);
  EXPECT_TRUE(reader.malformed());
}

TEST(Resp, CommandsAreWritten) {
  std::string out;
  append_command(out, {"PUBLISH", "c", ""});
  EXPECT_EQ(out, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$0\r\n\r\n");
}

}  // namespace
}  // namespace ts::net
