// SPDX-License-Identifier: Apache-2.0
// RESP3, the protocol of Redis: a bounded reader of whole values, and a writer of commands. Pure.
// Source: https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace ts::net {

/// Aggregates in one another, and values in one answer, that are read.
inline constexpr unsigned kMaxRespDepth = 4;
inline constexpr std::size_t kMaxRespValues = 256;
inline constexpr std::size_t kMaxRespLine = 4096;

struct RespValue {
  enum class Kind : std::uint8_t {
    Null,
    Text,   ///< simple, bulk and verbatim strings, doubles, big numbers, booleans
    Error,  ///< `text` says which
    Integer,
    List,  ///< arrays and sets; maps as key, value, key, value
    Push   ///< a list that answers nothing
  };
  Kind kind = Kind::Null;
  std::int64_t number = 0;
  /// Into the reader, until the next call of it.
  std::string_view text{};
  std::vector<RespValue> items{};

  /// A push or list whose first item is this text.
  bool begins_with(std::string_view word) const noexcept {
    return !items.empty() && items.front().kind == Kind::Text && items.front().text == word;
  }
};

class RespReader {
 public:
  /// Longer bulk strings, and values that are much longer in all, are malformed.
  explicit RespReader(std::size_t max_bulk_bytes) noexcept : max_bulk_bytes_(max_bulk_bytes) {}

  void feed(std::string_view bytes);
  /// The next whole value, until the next call; null: it is not there yet, or malformed() is true for good.
  const RespValue* next();
  bool malformed() const noexcept { return malformed_; }
  /// What is kept of a value that is not whole.
  std::size_t buffered() const noexcept { return buffer_.size() - head_; }

 private:
  enum class Step : std::uint8_t { Whole, Partial, Bad };
  Step parse(std::size_t& at, RespValue& out, unsigned depth);
  Step line(std::size_t& at, std::string_view& out);
  Step bulk(std::size_t& at, std::string_view length, RespValue& out);
  Step list(std::size_t& at, std::string_view count, std::size_t each, RespValue& out, unsigned depth);

  const std::size_t max_bulk_bytes_;
  std::string buffer_;
  std::size_t head_ = 0;
  /// So many bytes from head_ on are needed before it is worth a look.
  std::size_t needed_ = 1;
  std::size_t values_ = 0;
  RespValue value_;
  bool malformed_ = false;
};

/// Appends a command.
void append_command(std::string& out, std::initializer_list<std::string_view> words);

}  // namespace ts::net
