// SPDX-License-Identifier: Apache-2.0
#include "web_codec.hpp"

#include <algorithm>
#include <charconv>

#include <openssl/sha.h>

#include <turnstone/base/hash.hpp>

#include "text.hpp"

namespace ts::app::probe {
namespace {

constexpr std::size_t kMaxFields = 100;

bool read_status(std::string_view line, unsigned& status) {
  const bool http = line.starts_with("HTTP/1.") && line.size() >= 12 && line[8] == ' ';
  if (!http) return false;
  const char* begin = line.data() + 9;
  const auto [stop, error] = std::from_chars(begin, begin + 3, status);
  return error == std::errc{} && stop == begin + 3 && status >= 100;
}

}  // namespace

std::string_view HttpHead::field(std::string_view name) const {
  const std::string wanted = to_lower(name);
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&wanted](const auto& f) { return to_lower(f.first) == wanted; });
  return found == fields.end() ? std::string_view{} : found->second;
}

Result<std::optional<HttpHead>, std::string> parse_http_head(std::string_view text) {
  constexpr std::string_view kStart = "HTTP/1.";
  if (text.substr(0, kStart.size()) != kStart.substr(0, text.size()))
    return std::string("the server does not speak HTTP/1.1");
  const std::size_t end = text.substr(0, kMaxHeadBytes).find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (text.size() >= kMaxHeadBytes) return std::string("the head of the HTTP answer is too long");
    return std::optional<HttpHead>();
  }
  HttpHead head;
  head.bytes = end + 4;
  std::string_view rest = text.substr(0, end + 2);
  for (bool first = true; !rest.empty(); first = false) {
    const std::size_t line_end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, line_end);
    rest.remove_prefix(line_end + 2);
    if (first) {
      if (!read_status(line, head.status)) return std::string("malformed HTTP status line");
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || head.fields.size() >= kMaxFields)
      return std::string("malformed HTTP field");
    head.fields.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  }
  return std::optional<HttpHead>(std::move(head));
}

std::optional<Chunks> join_chunks(std::string_view body) {
  constexpr std::size_t kLongestLine = 256;
  Chunks out;
  for (;;) {
    const std::size_t line = body.substr(0, kLongestLine).find("\r\n");
    if (line == std::string_view::npos) {
      if (body.size() >= kLongestLine) return std::nullopt;
      return out;
    }
    std::size_t size = 0;
    const auto [stop, error] = std::from_chars(body.data(), body.data() + line, size, 16);
    const bool ends = stop == body.data() + line || *stop == ';' || *stop == ' ';
    if (error != std::errc{} || !ends) return std::nullopt;
    if (size == 0) {
      out.whole = true;
      return out;
    }
    body.remove_prefix(line + 2);
    out.body.append(body.substr(0, size));
    if (body.size() < size || body.size() - size < 2) return out;
    if (body.substr(size, 2) != "\r\n") return std::nullopt;
    body.remove_prefix(size + 2);
  }
}

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<std::uint8_t, 20> digest{};
  SHA1(as_bytes(text).data(), text.size(), digest.data());
  return base64(digest);
}

Result<std::optional<WebSocketFrame>, std::string> parse_frame(ByteView bytes) {
  ByteReader reader(bytes);
  const std::uint8_t first = reader.u8();
  const std::uint8_t second = reader.u8();
  std::uint64_t length = second & 0x7FU;
  if (length == 126) {
    length = reader.u16();
  } else if (length == 127) {
    length = reader.u64();
  }
  if (!reader.ok()) return std::optional<WebSocketFrame>();
  if ((first & 0x70U) != 0) return std::string("a frame with reserved bits");
  if ((second & 0x80U) != 0) return std::string("a masked frame from the server");
  if (length > kMaxMessageBytes) return std::string("a frame that is too large");
  const ByteView payload = reader.bytes(static_cast<std::size_t>(length));
  if (!reader.ok()) return std::optional<WebSocketFrame>();
  return std::optional<WebSocketFrame>(WebSocketFrame{static_cast<Opcode>(first & 0x0FU),
                                                      (first & 0x80U) != 0, std::string(as_text(payload)),
                                                      bytes.size() - reader.remaining()});
}

std::vector<std::uint8_t> make_frame(Opcode opcode, std::string_view payload,
                                     const std::array<std::uint8_t, 4>& mask) {
  std::vector<std::uint8_t> out(14);
  ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(0x80U | static_cast<unsigned>(opcode)));
  if (payload.size() < 126) {
    writer.u8(static_cast<std::uint8_t>(0x80U | payload.size()));
  } else if (payload.size() <= 0xFFFF) {
    writer.u8(0xFE);
    writer.u16(static_cast<std::uint16_t>(payload.size()));
  } else {
    writer.u8(0xFF);
    writer.u64(payload.size());
  }
  writer.bytes(mask);
  out.resize(writer.size());
  const ByteView bytes = as_bytes(payload);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    out.push_back(static_cast<std::uint8_t>(bytes[i] ^ mask[i % mask.size()]));
  return out;
}

}  // namespace ts::app::probe
