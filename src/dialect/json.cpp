// SPDX-License-Identifier: Apache-2.0
// The JSON scanner. Every read is of the front of `rest_`, after a check that it is there.
#include <algorithm>
#include <cstring>

#include <turnstone/dialect/json.hpp>
#include <turnstone/signal/utf8.hpp>

namespace ts::dialect::json {
namespace {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// True for the bytes of a string that need no second look: printable ASCII but quote and backslash.
constexpr bool is_plain(char c) noexcept {
  const auto b = static_cast<unsigned char>(c);
  return b >= 0x20 && b < 0x80 && c != '"' && c != '\\';
}

/// True when all eight bytes are plain.
bool all_plain(const char* p) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101ULL;
  constexpr std::uint64_t tops = 0x8080808080808080ULL;
  std::uint64_t word = 0;
  std::memcpy(&word, p, sizeof word);
  // Subtracting finds bytes below a bound; a borrow from the byte below may only raise a false alarm.
  const auto has_zero = [](std::uint64_t x) { return (x - ones) & ~x; };
  const std::uint64_t odd = word | (word - ones * 0x20) |
                            has_zero(word ^ (ones * static_cast<unsigned char>('"'))) |
                            has_zero(word ^ (ones * static_cast<unsigned char>('\\')));
  return (odd & tops) == 0;
}

constexpr char kHex[] = "0123456789abcdef";

void append_utf8(std::string& out, std::uint32_t c) {
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6)), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18)), put(0x80 | ((c >> 12) & 0x3F)), put(0x80 | ((c >> 6) & 0x3F)),
        put(0x80 | (c & 0x3F));
  }
}

/// Four hexadecimal digits that are known to be there.
std::uint32_t hex_value(std::string_view digits) noexcept {
  std::uint32_t value = 0;
  for (const char c : digits.substr(0, 4)) {
    const auto nibble = is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
    value = value << 4 | static_cast<std::uint32_t>(nibble);
  }
  return value;
}

constexpr char unescaped(char c) noexcept {
  switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
  }
}

}  // namespace

void Scanner::space() noexcept {
  // Not find_first_not_of(), which takes a call to find out that there is none, as mostly.
  while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
}

bool Scanner::take(char c) noexcept {
  if (rest_.empty() || rest_.front() != c) return false;
  rest_.remove_prefix(1);
  return true;
}

void Scanner::literal(std::string_view word) noexcept {
  if (!rest_.starts_with(word)) return fail();
  rest_.remove_prefix(word.size());
}

void Scanner::digits() noexcept {
  if (rest_.empty() || !is_digit(rest_.front())) return fail();
  while (!rest_.empty() && is_digit(rest_.front())) rest_.remove_prefix(1);
}

void Scanner::number() noexcept {
  take('-');
  if (!take('0')) digits();
  if (take('.')) digits();
  if (take('e') || take('E')) {
    if (!take('+')) take('-');
    digits();
  }
}

std::uint32_t Scanner::hex4() noexcept {
  if (rest_.size() < 4) return fail(), 0;
  for (const char c : rest_.substr(0, 4)) {
    const char lower = static_cast<char>(c | 0x20);
    if (!is_digit(c) && (lower < 'a' || lower > 'f')) return fail(), 0;
  }
  const std::uint32_t value = hex_value(rest_);
  rest_.remove_prefix(4);
  return value;
}

void Scanner::escape() noexcept {
  if (rest_.empty()) return fail();
  const char c = rest_.front();
  rest_.remove_prefix(1);
  if (c != 'u') {
    if (std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) fail();
    return;
  }
  const std::uint32_t unit = hex4();
  if (unit < 0xD800 || unit > 0xDFFF) return;
  if (unit > 0xDBFF || !take('\\') || !take('u')) return fail();
  const std::uint32_t low = hex4();
  if (low < 0xDC00 || low > 0xDFFF) fail();
}

void Scanner::string() noexcept {
  if (!take('"')) return fail();
  while (ok_) {
    while (rest_.size() >= 8 && all_plain(rest_.data())) rest_.remove_prefix(8);
    while (!rest_.empty() && is_plain(rest_.front())) rest_.remove_prefix(1);
    if (take('"')) return;
    if (take('\\')) {
      escape();
      continue;
    }
    std::uint32_t code_point = 0;
    const std::size_t size = signal::utf8_front(rest_, code_point);
    if (size < 2) return fail();  // the end, a control character, or not UTF-8
    rest_.remove_prefix(size);
  }
}

void Scanner::enter(char open) noexcept {
  space();
  if (depth_left_ == 0 || !take(open)) return fail();
  --depth_left_;
  first_ = true;
}

bool Scanner::next(char close) noexcept {
  if (!ok_) return false;
  space();
  if (take(close)) {
    first_ = false;
    ++depth_left_;
    return false;
  }
  if (!first_ && !take(',')) fail();
  first_ = false;
  return ok_;
}

Value Scanner::key() noexcept {
  space();
  const std::string_view before = rest_;
  string();
  if (!ok_) return {};
  const std::string_view raw = before.substr(0, before.size() - rest_.size());
  space();
  if (!take(':')) return fail(), Value{};
  return Value{Kind::String, raw};
}

void Scanner::container(char open, char close) noexcept {
  enter(open);
  while (next(close)) {
    if (open == '{') key();
    value();
  }
}

Kind Scanner::peek() noexcept {
  space();
  if (rest_.empty()) return Kind::Absent;
  switch (rest_.front()) {
    case '{': return Kind::Object;
    case '[': return Kind::Array;
    case '"': return Kind::String;
    case 't': return Kind::True;
    case 'f': return Kind::False;
    case 'n': return Kind::Null;
    default: return Kind::Number;
  }
}

Value Scanner::value() noexcept {
  const Kind kind = peek();
  const std::string_view before = rest_;
  switch (kind) {
    case Kind::Absent: fail(); break;
    case Kind::Object: container('{', '}'); break;
    case Kind::Array: container('[', ']'); break;
    case Kind::String: string(); break;
    case Kind::True: literal("true"); break;
    case Kind::False: literal("false"); break;
    case Kind::Null: literal("null"); break;
    case Kind::Number: number(); break;
  }
  if (!ok_) return {};
  return Value{kind, before.substr(0, before.size() - rest_.size())};
}

bool Scanner::finished() noexcept {
  space();
  return ok_ && rest_.empty();
}

bool valid(std::string_view text, unsigned max_depth) noexcept {
  Scanner in(text, max_depth);
  in.value();
  return in.finished();
}

std::string_view decode(const Value& string, std::string& storage) {
  std::string_view rest = string.raw.substr(1, string.raw.size() - 2);
  if (rest.find('\\') == std::string_view::npos) return rest;
  storage.clear();
  while (!rest.empty()) {
    const std::size_t plain = std::min(rest.find('\\'), rest.size());
    storage.append(rest.substr(0, plain));
    rest.remove_prefix(plain);
    if (rest.empty()) break;
    if (rest[1] != 'u') {
      storage.push_back(unescaped(rest[1]));
      rest.remove_prefix(2);
      continue;
    }
    std::uint32_t c = hex_value(rest.substr(2));
    rest.remove_prefix(6);
    if (c >= 0xD800 && c <= 0xDBFF) {
      c = 0x10000 + ((c - 0xD800) << 10) + (hex_value(rest.substr(2)) - 0xDC00);
      rest.remove_prefix(6);
    }
    append_utf8(storage, c);
  }
  return storage;
}

std::optional<std::uint64_t> to_integer(const Value& number) noexcept {
  if (!number.is(Kind::Number) || number.raw.size() > 18) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : number.raw) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

void append_string(std::string& out, std::string_view utf8) {
  out.push_back('"');
  while (!utf8.empty()) {
    std::size_t plain = 0;
    while (plain < utf8.size() && is_plain(utf8[plain])) ++plain;
    out.append(utf8.substr(0, plain));
    utf8.remove_prefix(plain);
    if (utf8.empty()) break;
    const char c = utf8.front();
    std::uint32_t code_point = 0;
    const std::size_t size = signal::utf8_front(utf8, code_point);
    if (size == 0) {
      out.append("\xEF\xBF\xBD");
    } else if (size > 1) {
      out.append(utf8.substr(0, size));
    } else if (c == '"' || c == '\\') {
      out.push_back('\\'), out.push_back(c);
    } else {
      out.append("\\u00").push_back(kHex[code_point >> 4]);
      out.push_back(kHex[code_point & 15]);
    }
    utf8.remove_prefix(std::max<std::size_t>(size, 1));
  }
  out.push_back('"');
}

}  // namespace ts::dialect::json
