// SPDX-License-Identifier: Apache-2.0
#include "ws_frames.hpp"

#include <algorithm>
#include <cstring>

#include <turnstone/signal/utf8.hpp>

namespace ts::net {
namespace {

constexpr std::uint16_t kProtocolError = 1002;
constexpr std::uint16_t kNoCode = 1005;
constexpr std::uint16_t kBadText = 1007;
constexpr std::uint16_t kTooBig = 1009;
/// A larger message's buffer is given back.
constexpr std::size_t kKeptBytes = 64;

/// RFC 6455 §7.4: codes that may be on the wire.
constexpr bool is_close_code(std::uint16_t code) noexcept {
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

constexpr bool is_control(WsOpcode opcode) noexcept { return static_cast<std::uint8_t>(opcode) >= 8; }

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    std::uint64_t word = 0;
    while (text.size() >= sizeof word) {
      std::memcpy(&word, text.data(), sizeof word);
      if ((word & 0x8080808080808080ULL) != 0) break;
      text.remove_prefix(sizeof word);
    }
    if (text.empty()) break;
    std::uint32_t code_point = 0;
    const std::size_t size = signal::utf8_front(text, code_point);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

void append_ws_head(std::string& out, WsOpcode opcode, std::size_t bytes) {
  std::array<std::uint8_t, 10> head{};
  std::size_t size = 2;
  head[0] = static_cast<std::uint8_t>(0x80U | static_cast<unsigned>(opcode));
  if (bytes < 126) {
    head[1] = static_cast<std::uint8_t>(bytes);
  } else if (bytes <= 0xFFFF) {
    head[1] = 126;
    store_be16(&head[2], static_cast<std::uint16_t>(bytes));
    size = 4;
  } else {
    head[1] = 127;
    store_be64(&head[2], bytes);
    size = 10;
  }
  out.append(as_text(ByteView(head).first(size)));
}

WsItem WsReader::bad(std::uint16_t code) noexcept {
  broken_ = true;
  return WsItem{WsItem::Kind::Bad, {}, code};
}

std::size_t WsReader::head_bytes() const noexcept {
  if (head_have_ < 2) return 2;
  const unsigned size = head_[1] & 0x7FU;
  const std::size_t mask = (head_[1] & 0x80U) != 0 ? 4 : 0;
  return 2 + (size == 127 ? 8U : size == 126 ? 2U : 0U) + mask;
}

bool WsReader::read_head(MutableBytes& in) {
  while (head_have_ < head_bytes()) {
    if (in.empty()) return false;
    const std::size_t count = std::min(in.size(), head_bytes() - head_have_);
    std::memcpy(head_.data() + head_have_, in.data(), count);
    head_have_ = static_cast<std::uint8_t>(head_have_ + count);
    in = in.subspan(count);
  }
  return true;
}

WsItem WsReader::begin_frame() {
  opcode_ = static_cast<WsOpcode>(head_[0] & 0x0FU);
  fin_ = (head_[0] & 0x80U) != 0;
  const unsigned short_size = head_[1] & 0x7FU;
  const bool masked = (head_[1] & 0x80U) != 0;
  left_ = short_size;
  if (short_size == 126) left_ = load_be16(&head_[2]);
  if (short_size == 127) left_ = load_be64(&head_[2]);
  const bool reserved = (head_[0] & 0x70U) != 0;
  if (!masked || reserved) return bad(kProtocolError);
  std::memcpy(mask_.data(), head_.data() + head_bytes() - mask_.size(), mask_.size());
  mask_at_ = 0;
  head_have_ = 0;
  switch (opcode_) {
    case WsOpcode::Continuation:
      if (message_opcode_ == WsOpcode::Close) return bad(kProtocolError);
      break;
    case WsOpcode::Text:
    case WsOpcode::Binary:
      if (message_opcode_ != WsOpcode::Close) return bad(kProtocolError);
      message_opcode_ = opcode_;
      break;
    case WsOpcode::Close:
    case WsOpcode::Ping:
    case WsOpcode::Pong:
      if (!fin_ || left_ > kMaxControlBytes) return bad(kProtocolError);
      break;
    default: return bad(kProtocolError);
  }
  if (!is_control(opcode_) && left_ > max_bytes_ - std::min(message_.size(), max_bytes_)) return bad(kTooBig);
  in_frame_ = true;
  return {};
}

void WsReader::unmask(MutableBytes bytes) noexcept {
  std::array<std::uint8_t, 8> key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = mask_[(mask_at_ + i) % 4];
  mask_at_ += bytes.size();
  std::uint64_t word_key = 0;
  std::memcpy(&word_key, key.data(), sizeof word_key);
  std::size_t at = 0;
  for (; bytes.size() - at >= sizeof word_key; at += sizeof word_key) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    word ^= word_key;
    std::memcpy(bytes.data() + at, &word, sizeof word);
  }
  for (std::size_t i = 0; at < bytes.size(); ++at, ++i) bytes[at] ^= key[i];
}

WsItem WsReader::finish_control(std::string_view data) {
  if (opcode_ == WsOpcode::Ping) return {WsItem::Kind::Ping, data, 0};
  if (opcode_ == WsOpcode::Pong) return {WsItem::Kind::Pong, data, 0};
  if (data.empty()) return {WsItem::Kind::Close, {}, kNoCode};
  if (data.size() == 1) return bad(kProtocolError);
  const std::uint16_t code = load_be16(as_bytes(data).data());
  if (!is_close_code(code)) return bad(kProtocolError);
  if (!is_utf8(data.substr(2))) return bad(kBadText);
  return {WsItem::Kind::Close, data.substr(2), code};
}

WsItem WsReader::finish(std::string_view data) {
  const bool text = message_opcode_ == WsOpcode::Text;
  message_opcode_ = WsOpcode::Close;
  if (text && !is_utf8(data)) return bad(kBadText);
  return {text ? WsItem::Kind::Text : WsItem::Kind::Binary, data, 0};
}

WsItem WsReader::payload(MutableBytes& in) {
  const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size()));
  const MutableBytes part = in.first(count);
  unmask(part);
  in = in.subspan(count);
  left_ -= count;
  const bool control = is_control(opcode_);
  std::string& gathered = control ? control_ : message_;
  const bool whole = left_ == 0 && (control || fin_);
  // In one piece: no copy.
  const bool direct = whole && gathered.empty();
  if (!direct) gathered.append(as_text(part));
  if (left_ != 0) return {};
  in_frame_ = false;
  if (!whole) return {};
  const std::string_view data = direct ? as_text(part) : std::string_view(gathered);
  return control ? finish_control(data) : finish(data);
}

WsItem WsReader::next(MutableBytes& in) {
  // What was handed out last is of no more use.
  if (!in_frame_ && head_have_ == 0) {
    control_.clear();
    if (message_opcode_ == WsOpcode::Close) message_.clear();
    if (message_.empty() && message_.capacity() > kKeptBytes) message_.shrink_to_fit();
  }
  while (!broken_) {
    if (!in_frame_) {
      if (!read_head(in)) return {};
      if (const WsItem item = begin_frame(); item.kind == WsItem::Kind::Bad) return item;
    }
    if (left_ != 0 && in.empty()) return {};
    if (const WsItem item = payload(in); item.kind != WsItem::Kind::Nothing) return item;
  }
  in = {};
  return {};
}

}  // namespace ts::net
