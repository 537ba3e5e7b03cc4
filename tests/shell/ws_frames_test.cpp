// SPDX-License-Identifier: Apache-2.0
// WebSocket frames (RFC 6455 §5): in one piece and byte by byte, in buffers of exactly their size.
#include "../../src/net/http/ws_frames.hpp"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "http_support.hpp"

namespace ts::net {
namespace {

using http_test::Client;

/// What the reader makes of the bytes, given `step` at a time: "T:text", "B:", "P:ping", "p:pong",
/// "C1000:why", "!1002".
std::vector<std::string> read(const std::string& bytes, std::size_t step, std::size_t max_bytes = 1000) {
  std::vector<std::string> out;
  WsReader reader(max_bytes);
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const std::size_t count = std::min(step, bytes.size() - at);
    const auto copy = std::make_unique<std::uint8_t[]>(count);
    std::memcpy(copy.get(), bytes.data() + at, count);
    MutableBytes in(copy.get(), count);
    for (;;) {
      const WsItem item = reader.next(in);
      const std::string data(item.data);
      if (item.kind == WsItem::Kind::Nothing) break;
      switch (item.kind) {
        case WsItem::Kind::Text: out.push_back("T:" + data); break;
        case WsItem::Kind::Binary: out.push_back("B:" + data); break;
        case WsItem::Kind::Ping: out.push_back("P:" + data); break;
        case WsItem::Kind::Pong: out.push_back("p:" + data); break;
        case WsItem::Kind::Close: out.push_back("C" + std::to_string(item.code) + ":" + data); break;
        default: out.push_back("!" + std::to_string(item.code));
      }
    }
    EXPECT_TRUE(in.empty());
  }
  return out;
}

std::string first_part(int opcode, std::string_view text) {
  std::string out = Client::frame(opcode, text);
  out[0] = static_cast<char>(opcode);
  return out;
}

TEST(WsFrames, AreRead) {
  using Lines = std::vector<std::string>;
  const std::string large(300, 'y');
  const struct {
    std::string bytes;
    Lines items;
  } cases[] = {
      {Client::frame(1, "hello") + Client::frame(2, "\x01\xff"), {"T:hello", "B:\x01\xff"}},
      {Client::frame(1, "") + Client::frame(1, "gr\xc3\xbc\xc3\x9f dich, so lange wie acht"),
       {"T:", "T:gr\xc3\xbc\xc3\x9f dich, so lange wie acht"}},
      {Client::frame(1, large), {"T:" + large}},
      {first_part(1, "a") + Client::frame(9, "ping") + first_part(0, "b") + Client::frame(0, "c") +
           Client::frame(1, "d"),
       {"P:ping", "T:abc", "T:d"}},
      {Client::frame(10, ""), {"p:"}},
      {Client::frame(8, ""), {"C1005:"}},
      {Client::frame(8, "\x03\xe8why"), {"C1000:why"}},
      {Client::frame(8, "\x03"), {"!1002"}},
      {Client::frame(8, "\x03\xed"), {"!1002"}},  // 1005 is never sent
      {Client::frame(8, "\x03\xe8\xff"), {"!1007"}},
      {Client::frame(1, "not masked", false), {"!1002"}},
      {Client::frame(3, "x"), {"!1002"}},
      {Client::frame(0, "x"), {"!1002"}},  // continues nothing
      {first_part(1, "a") + Client::frame(1, "b"), {"!1002"}},
      {first_part(9, "p"), {"!1002"}},  // control frames are whole
      {Client::frame(9, std::string(126, 'p')), {"!1002"}},
      {Client::frame(1, "\xc3"), {"!1007"}},
      {Client::frame(1, std::string(1001, 'x')), {"!1009"}},
      {first_part(1, std::string(600, 'x')) + Client::frame(0, std::string(600, 'x')), {"!1009"}},
      {std::string("\xc1\x80", 2) + "abcd", {"!1002"}},  // a reserved bit
      {Client::frame(3, "x") + Client::frame(1, "after"), {"!1002"}},
  };
  for (const auto& c : cases) {
    for (const std::size_t step : {c.bytes.size(), std::size_t{1}, std::size_t{7}}) {
      EXPECT_EQ(read(c.bytes, step), c.items) << step;
    }
  }
}

TEST(WsFrames, AHugeLengthIsRefusedByItsHead) {
  EXPECT_EQ(read(std::string("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10) + "abcd", 14),
            std::vector<std::string>{"!1009"});
}

// RFC 6455 §5.2 and §5.5.
TEST(WsFrames, ALengthInMoreBytesThanItTakesIsRefused) {
  const auto head = [](int first, std::size_t length_bytes, unsigned length) {
    std::string out{static_cast<char>(first), static_cast<char>(length_bytes == 2 ? 0x80 | 126 : 0x80 | 127)};
    out.append(length_bytes - 2, '\0');
    out += static_cast<char>(length >> 8U);
    out += static_cast<char>(length & 0xFFU);
    return out + std::string(4, '\0') + std::string(length, 'x');
  };
  using Lines = std::vector<std::string>;
  for (const std::size_t step : {std::size_t{1}, std::size_t{500}}) {
    EXPECT_EQ(read(head(0x81, 2, 125), step), Lines{"!1002"});
    EXPECT_EQ(read(head(0x81, 8, 300), step), Lines{"!1002"});
    EXPECT_EQ(read(head(0x89, 2, 5), step), Lines{"!1002"});
    EXPECT_EQ(read(head(0x81, 2, 126), step), Lines{"T:" + std::string(126, 'x')});
  }
}

TEST(WsFrames, HeadsAreWritten) {
  for (const auto& [bytes, head] :
       {std::pair(std::size_t{5}, std::string("\x82\x05", 2)),
        std::pair(std::size_t{126}, std::string("\x82\x7e\x00\x7e", 4)),
        std::pair(std::size_t{65'536}, std::string("\x82\x7f\0\0\0\0\0\x01\0\0", 10))}) {
    std::string out;
    append_ws_head(out, WsOpcode::Binary, bytes);
    EXPECT_EQ(out, head);
  }
}

}  // namespace
}  // namespace ts::net
