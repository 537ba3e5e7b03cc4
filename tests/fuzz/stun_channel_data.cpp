// SPDX-License-Identifier: Apache-2.0
// ChannelData and demultiplexing: what one of parser, classifier and framer says agrees with the others.
#include <algorithm>
#include <cstdlib>
#include <memory>

#include <turnstone/stun/channel_data.hpp>
#include <turnstone/stun/demux.hpp>
#include <turnstone/stun/framer.hpp>
#include <turnstone/stun/message.hpp>

namespace {

using namespace ts;
using namespace ts::stun;

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const auto parsed = parse_channel_data(bytes);
  const bool is_message = MessageView::parse(bytes).has_value();
  check(!(parsed.has_value() && is_message));
  if (size == 0) return 0;
  const Packet packet = classify_packet(data[0]);
  classify_stream(data[0]);
  if (is_message && data[0] <= 3) check(packet == Packet::Stun);
  const auto frame = next_frame(bytes);
  check(frame.has_value() || packet == Packet::Unknown || packet == Packet::Dtls ||
        (packet == Packet::Stun && size >= 4 && load_be16(data + 2) % 4 != 0));
  if (is_message && packet == Packet::Stun) {
    check(frame->has_value() && (*frame)->message.size() == size && (*frame)->consumed_bytes == size);
  }
  if (!parsed) {
    if (packet == Packet::ChannelData) check(!frame->has_value());
    return 0;
  }
  check(packet == Packet::ChannelData && is_channel_number(parsed->channel));
  check(parsed->data.data() == data + 4 && parsed->data.size() <= size - 4);
  check(frame->has_value() == (padded(4 + parsed->data.size()) <= size));
  if (frame->has_value()) check((*frame)->message.size() == 4 + parsed->data.size());

  const std::size_t again_size = 4 + parsed->data.size();
  const std::unique_ptr<std::uint8_t[]> again(new std::uint8_t[again_size]);
  write_channel_data_header(again.get(), parsed->channel, parsed->data.size());
  std::copy(parsed->data.begin(), parsed->data.end(), again.get() + 4);
  check(std::equal(again.get(), again.get() + again_size, data));
  return 0;
}
