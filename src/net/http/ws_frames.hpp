// SPDX-License-Identifier: Apache-2.0
// WebSocket frames as a server reads and writes them (RFC 6455 §5), without extensions. Knows no socket;
// holds no buffer while no message is under way.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <turnstone/base/bytes.hpp>

namespace ts::net {

enum class WsOpcode : std::uint8_t { Continuation = 0, Text = 1, Binary = 2, Close = 8, Ping = 9, Pong = 10 };

/// What the reader has found.
struct WsItem {
  /// Nothing: more bytes are needed. Bad: the connection must be closed with `code`.
  enum class Kind : std::uint8_t { Nothing, Text, Binary, Ping, Pong, Close, Bad };
  Kind kind = Kind::Nothing;
  /// The message, or the payload of a control frame; valid until the next call.
  std::string_view data;
  /// With Close, the client's code (1005: none); with Bad, ours.
  std::uint16_t code = 0;
};

class WsReader {
 public:
  /// Messages beyond `max_bytes` are bad.
  explicit WsReader(std::size_t max_bytes) noexcept : max_bytes_(max_bytes) {}
  /// From the next frame on, this is the most.
  void allow(std::size_t max_bytes) noexcept { max_bytes_ = max_bytes; }
  std::size_t max_bytes() const noexcept { return max_bytes_; }

  /// Takes bytes off the front of `in` until there is an item, or nothing left. They are unmasked in place.
  WsItem next(MutableBytes& in);

 private:
  static constexpr std::size_t kMaxHeadBytes = 14;
  static constexpr std::size_t kMaxControlBytes = 125;

  bool read_head(MutableBytes& in);
  WsItem begin_frame();
  WsItem payload(MutableBytes& in);
  WsItem finish(std::string_view data);
  WsItem finish_control(std::string_view data);
  WsItem bad(std::uint16_t code) noexcept;
  std::size_t head_bytes() const noexcept;
  void unmask(MutableBytes bytes) noexcept;

  std::size_t max_bytes_;
  std::array<std::uint8_t, kMaxHeadBytes> head_{};
  std::uint8_t head_have_ = 0;
  bool in_frame_ = false;
  bool broken_ = false;
  bool fin_ = false;
  WsOpcode opcode_ = WsOpcode::Text;
  /// Of the message under way; Close: there is none.
  WsOpcode message_opcode_ = WsOpcode::Close;
  std::array<std::uint8_t, 4> mask_{};
  std::uint64_t mask_at_ = 0;
  std::uint64_t left_ = 0;
  std::string message_;
  std::string control_;
};

/// Appends a frame's head for an unmasked, final frame.
void append_ws_head(std::string& out, WsOpcode opcode, std::size_t bytes);

/// True for well-formed UTF-8 (RFC 3629).
bool is_utf8(std::string_view text) noexcept;

}  // namespace ts::net
