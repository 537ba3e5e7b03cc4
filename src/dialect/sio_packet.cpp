// SPDX-License-Identifier: Apache-2.0
// Packets of Socket.IO v5: <type>[<attachments>-][<namespace>,][<ack>][JSON].
#include <algorithm>
#include <array>

#include <turnstone/dialect/socket_io.hpp>

namespace ts::dialect {
namespace {

using json::Kind;
using json::Value;

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Takes the digits at the front; at most 15, which a double of JavaScript's holds. Nothing: there is none.
std::optional<std::uint64_t> take_number(std::string_view& text) noexcept {
  constexpr std::size_t kMaxDigits = 15;
  std::uint64_t value = 0;
  std::size_t count = 0;
  for (; count < text.size() && is_digit(text[count]); ++count) {
    if (count == kMaxDigits) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(text[count] - '0');
  }
  if (count == 0) return std::nullopt;
  text.remove_prefix(count);
  return value;
}

constexpr bool is_binary(SioType type) noexcept {
  return type == SioType::BinaryEvent || type == SioType::BinaryAck;
}

bool is_reserved(std::string_view name) noexcept {
  constexpr std::array<std::string_view, 6> names{"connect",       "connect_error", "disconnect",
                                                  "disconnecting", "newListener",   "removeListener"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The first element: a number, or a string that is no name of the protocol's own.
bool names_event(const Value& array) {
  json::Scanner in(array.raw, kMaxSioDepth);
  in.enter('[');
  if (!in.next(']')) return false;
  const Value name = in.value();
  if (name.is(Kind::Number)) return true;
  std::string storage;
  return name.is(Kind::String) && !is_reserved(json::decode(name, storage));
}

bool is_payload_of(SioType type, const Value& data) {
  switch (type) {
    case SioType::Connect: return data.absent() || data.is(Kind::Object);
    case SioType::Disconnect: return data.absent();
    case SioType::ConnectError: return data.absent() || data.is(Kind::Object) || data.is(Kind::String);
    case SioType::Event:
    case SioType::BinaryEvent: return data.is(Kind::Array) && names_event(data);
    case SioType::Ack:
    case SioType::BinaryAck: return data.is(Kind::Array);
  }
  return false;
}

/// One object: JavaScript's `value._placeholder === true`, where the last of equal keys counts, must come
/// with the number of an attachment.
bool object_fits(std::string_view raw, std::uint32_t attachments, unsigned depth);

bool value_fits(const Value& value, std::uint32_t attachments, unsigned depth) {
  if (value.is(Kind::Object)) return object_fits(value.raw, attachments, depth);
  if (!value.is(Kind::Array)) return true;
  json::Scanner in(value.raw, depth);
  bool fits = true;
  in.enter('[');
  while (in.next(']')) {
    const Value element = in.value();
    fits = fits && in.ok() && value_fits(element, attachments, depth - 1);
  }
  return fits && in.ok();
}

bool object_fits(std::string_view raw, std::uint32_t attachments, unsigned depth) {
  json::Scanner in(raw, depth);
  bool fits = true;
  bool placeholder = false;
  Value number;
  std::string storage;
  in.enter('{');
  while (in.next('}')) {
    const std::string_view key = json::decode(in.key(), storage);
    const bool marks = key == "_placeholder";
    const bool numbers = key == "num";
    const Value value = in.value();
    fits = fits && in.ok() && value_fits(value, attachments, depth - 1);
    if (marks) placeholder = value.is(Kind::True);
    if (numbers) number = value;
  }
  if (!placeholder) return fits && in.ok();
  const auto index = json::to_integer(number);
  return in.ok() && index && *index < attachments;
}

}  // namespace

std::optional<SioPacket> parse_sio_packet(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '6') return std::nullopt;
  SioPacket packet;
  packet.type = static_cast<SioType>(text.front() - '0');
  text.remove_prefix(1);
  if (is_binary(packet.type)) {
    const auto count = take_number(text);
    if (!count || *count > kMaxSioAttachments || !text.starts_with('-')) return std::nullopt;
    packet.attachments = static_cast<std::uint32_t>(*count);
    text.remove_prefix(1);
  }
  if (text.starts_with('/')) {
    const std::size_t end = std::min(text.find(','), text.size());
    packet.nsp = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (!text.empty() && is_digit(text.front())) {
    packet.ack = take_number(text);
    if (!packet.ack) return std::nullopt;
  }
  if (!text.empty()) {
    json::Scanner in(text, kMaxSioDepth);
    packet.data = in.value();
    if (!in.finished()) return std::nullopt;
  }
  if (!is_payload_of(packet.type, packet.data)) return std::nullopt;
  if (is_binary(packet.type) && !value_fits(packet.data, packet.attachments, kMaxSioDepth))
    return std::nullopt;
  return packet;
}

void append_sio_head(std::string& out, SioType type, std::size_t attachments, std::string_view nsp,
                     std::optional<std::uint64_t> ack) {
  out.push_back(static_cast<char>('0' + static_cast<int>(type)));
  if (is_binary(type)) out.append(std::to_string(attachments)).push_back('-');
  if (nsp != "/") out.append(nsp).push_back(',');
  if (ack) out.append(std::to_string(*ack));
}

json::Value SioEvent::argument(std::size_t number) const noexcept {
  // The commas between them make an array of them but for its brackets; what was checked is not checked
  // again.
  std::string_view rest = arguments;
  for (std::size_t i = 0; !rest.empty(); ++i) {
    json::Scanner in(rest, kMaxSioDepth);
    const Value value = in.value();
    if (i == number || !in.ok()) return value;
    rest.remove_prefix(static_cast<std::size_t>(value.raw.data() - rest.data()) + value.raw.size());
    const std::size_t comma = rest.find(',');
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return {};
}

SioMessage::SioMessage(std::string_view nsp, std::string_view name, std::string_view arguments,
                       std::span<const std::string> attachments) {
  std::string text;
  text.reserve(name.size() + arguments.size() + nsp.size() + 24);
  text.push_back('4');
  append_sio_head(text, attachments.empty() ? SioType::Event : SioType::BinaryEvent, attachments.size(), nsp,
                  std::nullopt);
  text.push_back('[');
  json::append_string(text, name);
  if (!arguments.empty()) text.append(",").append(arguments);
  text.push_back(']');
  plain_.bytes = std::make_shared<const std::string>(std::move(text));
  attachments_.reserve(attachments.size());
  for (const std::string& bytes : attachments) {
    attachments_.push_back(EngineWire{std::make_shared<const std::string>(bytes), true});
  }
}

}  // namespace ts::dialect
