// SPDX-License-Identifier: Apache-2.0
// Message boundaries in a byte stream (RFC 8489 §6.2.2, RFC 8656 §12.5: ChannelData is padded to four bytes).
// Stateless: the connection owns its bytes and asks again when more have come.
#pragma once

#include <cstdint>
#include <optional>

#include <turnstone/base/bytes.hpp>
#include <turnstone/base/result.hpp>

namespace ts::stun {

enum class FrameError : std::uint8_t { NotStunOrChannelData };

/// One frame at the front of a stream's bytes.
struct Frame {
  /// The message without stream padding; within the bytes given.
  ByteView message;
  /// What to drop from the front: message and padding.
  std::size_t consumed_bytes = 0;
};

/// No frame can be larger than this: a header and 65,535 bytes, padded.
inline constexpr std::size_t kMaxFrameBytes = 20 + 65'536;

/// The frame at the front of `bytes`; nothing when more bytes are needed; an error when no frame can begin
/// there.
Result<std::optional<Frame>, FrameError> next_frame(ByteView bytes) noexcept;

}  // namespace ts::stun
