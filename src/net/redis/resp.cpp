// SPDX-License-Identifier: Apache-2.0
#include "resp.hpp"

#include <charconv>
#include <optional>

namespace ts::net {
namespace {

constexpr std::string_view kEnd = "\r\n";

std::optional<std::int64_t> number_of(std::string_view text) noexcept {
  std::int64_t out = 0;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return out;
}

}  // namespace

void RespReader::feed(std::string_view bytes) {
  buffer_.erase(0, head_);
  head_ = 0;
  if (!malformed_) buffer_.append(bytes);
}

const RespValue* RespReader::next() {
  if (malformed_ || buffered() < needed_) return nullptr;
  std::size_t at = head_;
  values_ = 0;
  needed_ = buffered() + 1;
  value_ = RespValue();
  const Step step = parse(at, value_, 0);
  if (step == Step::Whole) {
    head_ = at;
    needed_ = 1;
    return &value_;
  }
  // What is never whole must not fill the memory.
  malformed_ = step == Step::Bad || buffered() > max_bulk_bytes_ + kMaxRespValues * kMaxRespLine;
  return nullptr;
}

RespReader::Step RespReader::line(std::size_t& at, std::string_view& out) {
  const std::string_view rest = std::string_view(buffer_).substr(at);
  const std::size_t end = rest.substr(0, kMaxRespLine + kEnd.size()).find(kEnd);
  if (end == std::string_view::npos)
    return rest.size() >= kMaxRespLine + kEnd.size() ? Step::Bad : Step::Partial;
  out = rest.substr(0, end);
  at += end + kEnd.size();
  return Step::Whole;
}

RespReader::Step RespReader::parse(std::size_t& at, RespValue& out, unsigned depth) {
  using Kind = RespValue::Kind;
  if (depth > kMaxRespDepth || ++values_ > kMaxRespValues) return Step::Bad;
  std::string_view text;
  const Step step = line(at, text);
  if (step != Step::Whole) return step;
  if (text.empty()) return Step::Bad;
  const char type = text.front();
  text.remove_prefix(1);
  out.text = text;
  switch (type) {
    case '+':
    case ',':
    case '(':
    case '#': out.kind = Kind::Text; return Step::Whole;
    case '-': out.kind = Kind::Error; return Step::Whole;
    case '_': out.kind = Kind::Null; return Step::Whole;
    case ':': {
      const auto number = number_of(text);
      if (!number) return Step::Bad;
      out.kind = Kind::Integer;
      out.number = *number;
      return Step::Whole;
    }
    case '$':
    case '=': out.kind = Kind::Text; return bulk(at, text, out);
    case '!': out.kind = Kind::Error; return bulk(at, text, out);
    case '*':
    case '~': out.kind = Kind::List; return list(at, text, 1, out, depth);
    case '%': out.kind = Kind::List; return list(at, text, 2, out, depth);
    case '>': out.kind = Kind::Push; return list(at, text, 1, out, depth);
    default: return Step::Bad;
  }
}

RespReader::Step RespReader::bulk(std::size_t& at, std::string_view length, RespValue& out) {
  const auto size = number_of(length);
  if (!size || *size < -1) return Step::Bad;
  if (*size == -1) {
    out.kind = RespValue::Kind::Null;
    return Step::Whole;
  }
  if (static_cast<std::uint64_t>(*size) > max_bulk_bytes_) return Step::Bad;
  const auto bytes = static_cast<std::size_t>(*size);
  const std::string_view rest = std::string_view(buffer_).substr(at);
  if (rest.size() < bytes + kEnd.size()) {
    needed_ = at - head_ + bytes + kEnd.size();
    return Step::Partial;
  }
  if (rest.substr(bytes, kEnd.size()) != kEnd) return Step::Bad;
  out.text = rest.substr(0, bytes);
  at += bytes + kEnd.size();
  return Step::Whole;
}

RespReader::Step RespReader::list(std::size_t& at, std::string_view count, std::size_t each, RespValue& out,
                                  unsigned depth) {
  const auto length = number_of(count);
  if (!length || *length < -1 || *length > static_cast<std::int64_t>(kMaxRespValues)) return Step::Bad;
  if (*length == -1) {
    out.kind = RespValue::Kind::Null;
    return Step::Whole;
  }
  const std::size_t items = static_cast<std::size_t>(*length) * each;
  for (std::size_t i = 0; i < items; ++i) {
    const Step step = parse(at, out.items.emplace_back(), depth + 1);
    if (step != Step::Whole) return step;
  }
  return Step::Whole;
}

void append_command(std::string& out, std::initializer_list<std::string_view> words) {
  out.append("*").append(std::to_string(words.size())).append(kEnd);
  for (const std::string_view word : words) {
    out.append("$").append(std::to_string(word.size())).append(kEnd).append(word).append(kEnd);
  }
}

}  // namespace ts::net
