// SPDX-License-Identifier: Apache-2.0
// Bytes of a small HTTP/1.1 and WebSocket client (RFC 9112, RFC 6455): heads and frames. Pure and bounded.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/base/bytes.hpp>
#include <turnstone/base/result.hpp>

namespace ts::app::probe {

inline constexpr std::size_t kMaxHeadBytes = 16'384;
inline constexpr std::size_t kMaxBodyBytes = 65'536;
inline constexpr std::size_t kMaxMessageBytes = 262'144;

/// A response's head; views into the text that it was parsed from.
struct HttpHead {
  unsigned status = 0;
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  /// Bytes of the head with the empty line behind it.
  std::size_t bytes = 0;

  /// The first field of the name (any case); empty when absent.
  std::string_view field(std::string_view name) const;
};

/// Nothing: more bytes are needed. An error in words: this is no HTTP response.
Result<std::optional<HttpHead>, std::string> parse_http_head(std::string_view text);

/// What a body of chunks (RFC 9112 §7.1) holds so far.
struct Chunks {
  std::string body;
  /// The last chunk is there.
  bool whole = false;
};

/// Joins the chunks at the front of a body. Nothing: these are none.
std::optional<Chunks> join_chunks(std::string_view body);

/// Sec-WebSocket-Accept for a key (RFC 6455 §4.2.2).
std::string websocket_accept(std::string_view key);

enum class Opcode : std::uint8_t { Continuation = 0, Text = 1, Binary = 2, Close = 8, Ping = 9, Pong = 10 };

struct WebSocketFrame {
  Opcode opcode = Opcode::Text;
  bool final = true;
  std::string payload;
  std::size_t consumed_bytes = 0;
};

/// A whole frame at the front of what a server sent. Nothing: more bytes are needed.
Result<std::optional<WebSocketFrame>, std::string> parse_frame(ByteView bytes);

/// A final frame from a client, masked.
std::vector<std::uint8_t> make_frame(Opcode opcode, std::string_view payload,
                                     const std::array<std::uint8_t, 4>& mask);

}  // namespace ts::app::probe
