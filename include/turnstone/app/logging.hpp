// SPDX-License-Identifier: Apache-2.0
// Structured log lines on stderr: text for people, JSON for machines. Values may be hostile; they are
// escaped. Any thread may write. Not for the data path.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include <turnstone/config/config.hpp>

namespace ts::app::log {

using Level = config::LogLevel;

/// A key (a literal of ours: [a-z_]) and a value. Views live as long as the call.
struct Field {
  std::string_view key;
  std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;

  Field(std::string_view k, std::string_view v) noexcept : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) noexcept : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, const char* v) noexcept : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, bool v) noexcept : key(k), value(v) {}
  Field(std::string_view k, double v) noexcept : key(k), value(v) {}
  template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) Field(std::string_view k, T v)
  noexcept : key(k) {
    if constexpr (std::is_signed_v<T>) {
      value = static_cast<std::int64_t>(v);
    } else {
      value = static_cast<std::uint64_t>(v);
    }
  }
};

using Fields = std::initializer_list<Field>;

/// Sets level and format for the process; call once before threads start (again is allowed in tests).
void set_up(const config::LogOptions& options);

/// Another level from now on. Any thread.
void set_level(Level level) noexcept;
Level level() noexcept;

/// Writes one line. `message` is a short literal of ours ("listening"); what varies goes into fields.
void write(Level level, std::string_view message, Fields fields = {});

inline void debug(std::string_view message, Fields fields = {}) { write(Level::Debug, message, fields); }
inline void info(std::string_view message, Fields fields = {}) { write(Level::Info, message, fields); }
inline void warn(std::string_view message, Fields fields = {}) { write(Level::Warn, message, fields); }
inline void error(std::string_view message, Fields fields = {}) { write(Level::Error, message, fields); }

/// True when a line of this level would be written.
bool enabled(Level level) noexcept;

/// `message key=value key="va\nlue"`: one line of ASCII whatever the values hold.
std::string format_text(std::string_view message, Fields fields);

/// `"message":"…","key":…`: members of a JSON object (without braces), valid UTF-8 whatever the values hold.
std::string format_json(std::string_view message, Fields fields);

}  // namespace ts::app::log
