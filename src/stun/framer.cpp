// SPDX-License-Identifier: Apache-2.0
#include <turnstone/stun/channel_data.hpp>
#include <turnstone/stun/demux.hpp>
#include <turnstone/stun/framer.hpp>
#include <turnstone/stun/message.hpp>

namespace ts::stun {

Result<std::optional<Frame>, FrameError> next_frame(ByteView bytes) noexcept {
  if (bytes.empty()) return std::optional<Frame>{};
  // RFC 8656 §12.6: ChannelData of a reserved channel is skipped, so its extent must be known too.
  const Packet kind = bytes[0] >= kMinChannel >> 8 ? Packet::ChannelData : classify_packet(bytes[0]);
  if (kind != Packet::Stun && kind != Packet::ChannelData) return FrameError::NotStunOrChannelData;
  if (bytes.size() < 4) return std::optional<Frame>{};
  const std::size_t length = load_be16(bytes.data() + 2);
  if (kind == Packet::Stun && length % 4 != 0) return FrameError::NotStunOrChannelData;
  const std::size_t message_bytes = (kind == Packet::Stun ? kHeaderBytes : kChannelDataHeaderBytes) + length;
  const std::size_t consumed = padded(message_bytes);
  if (bytes.size() < consumed) return std::optional<Frame>{};
  return std::optional<Frame>{Frame{bytes.first(message_bytes), consumed}};
}

}  // namespace ts::stun
