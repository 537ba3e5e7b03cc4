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

/// The placeholders of a value, in one pass over it, which every nested value is part of.
class Placeholders {
 public:
  Placeholders(std::string_view value, std::uint32_t attachments) noexcept
      : in_(value, kMaxSioDepth), attachments_(attachments) {}
  /// Each names an attachment.
  bool fit() { return value() && in_.ok(); }

 private:
  bool value() {
    const Kind kind = in_.peek();
    if (kind == Kind::Object) return object();
    if (kind == Kind::Array) return array();
    in_.value();
    return true;
  }
  bool array() {
    bool fits = true;
    in_.enter('[');
    while (in_.next(']')) fits = value() && fits;
    return fits;
  }
  /// JavaScript's `value._placeholder === true`, where the last of equal keys counts, must come with the
  /// number of an attachment. What else is in such an object is not looked at by anybody.
  bool object() {
    bool fits = true;
    bool placeholder = false;
    Value number;
    in_.enter('{');
    while (in_.next('}')) {
      const Value raw = in_.key();
      if (!in_.ok()) return false;
      const std::string_view key = json::decode(raw, storage_);
      const bool marks = key == "_placeholder";
      const bool numbers = key == "num";
      const Kind kind = in_.peek();
      if (marks) placeholder = kind == Kind::True;
      if (numbers && kind == Kind::Number) {
        number = in_.value();
        continue;
      }
      if (numbers) number = Value{};
      fits = value() && fits;
    }
    if (!placeholder) return fits;
    const auto index = json::to_integer(number);
    return index && *index < attachments_;
  }

  json::Scanner in_;
  const std::uint32_t attachments_;
  std::string storage_;
};

}  // namespace

std::optional<SioHead> parse_sio_head(std::string_view text) noexcept {
  if (text.empty() || text.front() < '0' || text.front() > '6') return std::nullopt;
  SioHead head;
  head.type = static_cast<SioType>(text.front() - '0');
  text.remove_prefix(1);
  if (is_binary(head.type)) {
    const auto count = take_number(text);
    if (!count || *count > kMaxSioAttachments || !text.starts_with('-')) return std::nullopt;
    head.attachments = static_cast<std::uint32_t>(*count);
    text.remove_prefix(1);
  }
  if (text.starts_with('/')) {
    const std::size_t end = std::min(text.find(','), text.size());
    head.nsp = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (!text.empty() && is_digit(text.front())) {
    head.ack = take_number(text);
    if (!head.ack) return std::nullopt;
  }
  head.payload = text;
  return head;
}

std::optional<SioPacket> parse_sio_payload(const SioHead& head) {
  SioPacket packet{head.type, head.attachments, head.nsp, head.ack, {}};
  if (!head.payload.empty()) {
    json::Scanner in(head.payload, kMaxSioDepth);
    packet.data = in.value();
    if (!in.finished()) return std::nullopt;
  }
  if (!is_payload_of(packet.type, packet.data)) return std::nullopt;
  if (is_binary(packet.type) && !Placeholders(packet.data.raw, packet.attachments).fit()) return std::nullopt;
  return packet;
}

std::optional<SioPacket> parse_sio_packet(std::string_view text) {
  const auto head = parse_sio_head(text);
  return head ? parse_sio_payload(*head) : std::nullopt;
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
