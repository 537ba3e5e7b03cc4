// SPDX-License-Identifier: Apache-2.0
// WebSocket frames as a client writes and reads them (RFC 6455 §5), and what the load says in them: payloads
// that can be checked byte by byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "../relay/payload.hpp"

namespace ts::load {

inline constexpr int kText = 1, kClose = 8, kPing = 9, kPong = 10;

/// Appends a masked frame.
void append_frame(std::string& out, int opcode, std::string_view payload);

struct ServerFrame {
  /// 0: not all of it has come; negative: it breaks the protocol.
  int opcode = 0;
  std::string_view payload;
};
/// The frame at `at`, which is moved behind it. Fragments are not asked for, and nobody sends any.
ServerFrame next_frame(std::string_view in, std::size_t& at) noexcept;

/// Letters and digits only: sender, number, time of sending, and bytes that depend on the number.
std::string make_text(std::size_t bytes, std::size_t from, std::uint64_t sequence, std::uint64_t time_ns);
/// What is before the bytes that depend on the number.
inline constexpr std::size_t kTextHeadBytes = 40;

/// Checks every byte and counts; true when it is right and new. `time_ns`: when it was due.
bool check_text(std::string_view text, std::size_t bytes, std::size_t from, Order& order, Totals& totals,
                std::uint64_t& time_ns) noexcept;

}  // namespace ts::load
