// SPDX-License-Identifier: Apache-2.0
// Web origins (RFC 6454) as text, in one spelling.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace ts {

/// An origin in its one spelling: "https://app.example.org", "http://[2001:db8::1]:8080". No heap.
class Origin {
 public:
  /// Longer ones are none.
  static constexpr std::size_t kMaxBytes = 267;

  /// Scheme, "://" (or ":" alone, as SIP has it), host and perhaps a port; letters become small, the scheme's
  /// own port (80, 443) and one final slash are left out. Nothing for all else, "null" (RFC 6454 §6.2) among
  /// it.
  static std::optional<Origin> parse(std::string_view text) noexcept;

  std::string_view text() const noexcept { return {text_.data(), size_}; }

 private:
  Origin() = default;
  void add(std::string_view text) noexcept;

  std::array<char, kMaxBytes> text_{};
  std::size_t size_ = 0;
};

}  // namespace ts
