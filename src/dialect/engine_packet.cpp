// SPDX-License-Identifier: Apache-2.0
// Packets and payloads of Engine.IO v4, and the bodies of its refusals.
#include <algorithm>
#include <utility>

#include <turnstone/dialect/engine_io.hpp>

namespace ts::dialect {
namespace {

constexpr char kSeparator = '\x1e';

}  // namespace

std::optional<EnginePacket> parse_engine_packet(std::string_view text) noexcept {
  if (text.empty() || text.front() < '0' || text.front() > '6') return std::nullopt;
  return EnginePacket{static_cast<EngineType>(text.front() - '0'), false, text.substr(1)};
}

std::optional<EnginePacket> EnginePayload::next() {
  const std::size_t end = std::min(rest_.find(kSeparator), rest_.size());
  const std::string_view record = rest_.substr(0, end);
  ended_ = end == rest_.size();
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  if (!record.starts_with('b')) return parse_engine_packet(record);
  auto bytes = base64_decode(record.substr(1));
  if (!bytes) return std::nullopt;
  binary_ = std::move(*bytes);
  return EnginePacket{EngineType::Message, true, binary_};
}

void append_engine_packet(std::string& payload, const EngineWire& packet) {
  if (!payload.empty()) payload.push_back(kSeparator);
  if (packet.binary) {
    payload.append("b").append(base64(as_bytes(*packet.bytes)));
  } else {
    payload.append(*packet.bytes);
  }
}

unsigned EngineRefusal::status() const noexcept {
  switch (error) {
    case EngineError::Forbidden: return 403;
    case EngineError::TooLarge: return 413;
    case EngineError::Unavailable: return 503;
    default: return 400;
  }
}

std::string_view EngineRefusal::message() const noexcept {
  switch (error) {
    case EngineError::UnknownTransport: return "Transport unknown";
    case EngineError::UnknownSession: return "Session ID unknown";
    case EngineError::BadHandshakeMethod: return "Bad handshake method";
    case EngineError::BadRequest: return "Bad request";
    case EngineError::Forbidden: return "Forbidden";
    case EngineError::UnsupportedVersion: return "Unsupported protocol version";
    case EngineError::TooLarge: return "Payload too large";
    case EngineError::Unavailable: break;
  }
  return "Server unavailable";
}

std::string EngineRefusal::json() const {
  // The last two have no number of their own.
  const EngineError code = error == EngineError::TooLarge      ? EngineError::BadRequest
                           : error == EngineError::Unavailable ? EngineError::Forbidden
                                                               : error;
  return "{\"code\":" + std::to_string(static_cast<int>(code)) + ",\"message\":\"" + std::string(message()) +
         "\"}";
}

}  // namespace ts::dialect
