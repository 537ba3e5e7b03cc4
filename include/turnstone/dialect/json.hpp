// SPDX-License-Identifier: Apache-2.0
// A validating JSON scanner (RFC 8259) that copies nothing: raw slices of a text, checked to the last byte,
// so that what members send to each other can be forwarded as it came. Bounded depth; strict UTF-8; paired
// surrogates only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ts::dialect::json {

/// Nested arrays and objects, the outermost included.
inline constexpr unsigned kMaxDepth = 32;

enum class Kind : std::uint8_t { Absent, Null, False, True, Number, String, Array, Object };

/// A valid value as it stands in the text (a string with its quotes), valid as long as the text.
struct Value {
  Kind kind = Kind::Absent;
  std::string_view raw;

  bool absent() const noexcept { return kind == Kind::Absent; }
  bool is(Kind k) const noexcept { return kind == k; }
};

/// Reads a text front to back. A step that fails makes ok() false for good.
class Scanner {
 public:
  explicit Scanner(std::string_view text, unsigned max_depth = kMaxDepth) noexcept
      : rest_(text), depth_left_(max_depth) {}

  /// The next value, whole.
  Value value() noexcept;
  /// What the next value is by its first character, which stays; Absent at the end.
  Kind peek() noexcept;
  /// Steps into an object or array, up to its first member or element.
  void enter(char open) noexcept;
  /// True when there is another member or element; else the closing `close` was taken.
  bool next(char close) noexcept;
  /// The key of the next member, with its colon taken.
  Value key() noexcept;
  /// True when everything was well-formed and only whitespace is left.
  bool finished() noexcept;

  bool ok() const noexcept { return ok_; }

 private:
  void space() noexcept;
  bool take(char c) noexcept;
  void literal(std::string_view word) noexcept;
  void number() noexcept;
  void digits() noexcept;
  void string() noexcept;
  void escape() noexcept;
  std::uint32_t hex4() noexcept;
  void container(char open, char close) noexcept;
  void fail() noexcept { ok_ = false, rest_ = {}; }

  std::string_view rest_;
  unsigned depth_left_;
  bool ok_ = true;
  bool first_ = false;
};

/// True for one complete JSON value.
bool valid(std::string_view text, unsigned max_depth = kMaxDepth) noexcept;

/// Calls f(key, value) for each member of the object `text` in order, keys as raw strings, duplicates
/// included. False when `text` is not one valid object; then `f` may have seen some members.
template <class F>
bool for_each_member(std::string_view text, F&& f) {
  Scanner in(text);
  in.enter('{');
  while (in.next('}')) {
    const Value key = in.key();
    const Value value = in.value();
    if (in.ok()) f(key, value);
  }
  return in.finished();
}

/// Calls f(value) for each element of the array `text`. False when it is not one valid array.
template <class F>
bool for_each_element(std::string_view text, F&& f) {
  Scanner in(text);
  in.enter('[');
  while (in.next(']')) {
    const Value value = in.value();
    if (in.ok()) f(value);
  }
  return in.finished();
}

/// The text of a valid string: a view into it when it has no escapes, else into `storage`, which is
/// overwritten.
std::string_view decode(const Value& string, std::string& storage);

/// A number that is written as a non-negative integer of at most 18 digits.
std::optional<std::uint64_t> to_integer(const Value& number) noexcept;

/// Appends `utf8` as a JSON string with its quotes. Malformed UTF-8 becomes U+FFFD.
void append_string(std::string& out, std::string_view utf8);

}  // namespace ts::dialect::json
