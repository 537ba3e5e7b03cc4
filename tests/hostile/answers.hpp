// SPDX-License-Identifier: Apache-2.0
// What a server may send, checked without the server's own parser.
#pragma once

#include <string>

#include "messages.hpp"

namespace ts::hostile {

/// A message of the server's, as far as it is right.
struct Answer {
  /// Empty: nothing is wrong with it.
  std::string wrong;
  bool channel_data = false;
  bool indication = false;
  bool success = false;
  unsigned method = 0;
  int error = 0;
  /// The 16 bytes behind the length field: cookie and transaction id.
  std::array<std::uint8_t, 16> id{};
  Challenge challenge;
};

/// Checks one message: a whole datagram, or one frame of a stream.
Answer read_answer(ByteView bytes, const Target& target, bool stream);

/// The size of the frame that the bytes begin with; 0: not yet there; -1: no STUN and no ChannelData.
std::ptrdiff_t frame_size(ByteView bytes);

std::string hex_of(ByteView bytes);

}  // namespace ts::hostile
