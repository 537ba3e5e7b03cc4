// SPDX-License-Identifier: Apache-2.0
// The stream framer at every split point, ChannelData, the demultiplexing tables.
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/stun/channel_data.hpp>
#include <turnstone/stun/demux.hpp>
#include <turnstone/stun/framer.hpp>

#include "testing.hpp"

namespace ts::stun {
namespace {

using namespace ts::stun::testing;

std::vector<std::uint8_t> channel_data(std::uint16_t channel, std::size_t length, bool pad) {
  std::vector<std::uint8_t> out(4 + length, 0xCD);
  write_channel_data_header(out.data(), channel, length);
  if (pad) out.resize(padded(out.size()), 0);
  return out;
}

// RFC 8656 §12 MUST: first bytes that are reserved are dropped
TEST(Demux, PacketsByTheirFirstByte) {
  for (unsigned first = 0; first < 256; ++first) {
    const Packet want = first <= 3                   ? Packet::Stun
                        : first >= 20 && first <= 63 ? Packet::Dtls
                        : first >= 64 && first <= 79 ? Packet::ChannelData
                                                     : Packet::Unknown;
    EXPECT_EQ(classify_packet(static_cast<std::uint8_t>(first)), want) << first;
  }
}

TEST(Demux, StreamsByTheirFirstByte) {
  for (unsigned first = 0; first < 256; ++first) {
    const Stream want = first <= 3                     ? Stream::Turn
                        : first == 22                  ? Stream::Tls
                        : first >= 'A' && first <= 'Z' ? Stream::Http
                                                       : Stream::Unknown;
    EXPECT_EQ(classify_stream(static_cast<std::uint8_t>(first)), want) << first;
  }
  for (const std::string_view method :
       {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PRI * HTTP/2.0"}) {
    EXPECT_EQ(classify_stream(static_cast<std::uint8_t>(method[0])), Stream::Http);
  }
}

TEST(ChannelData, NumbersInRange) {
  for (std::uint32_t number = 0; number <= 0xFFFF; ++number) {
    const bool good = number >= 0x4000 && number <= 0x4FFF;
    const auto channel = static_cast<std::uint16_t>(number);
    ASSERT_EQ(is_channel_number(channel), good) << number;
    const Exact bytes(channel_data(channel, 1, false));
    ASSERT_EQ(parse_channel_data(bytes.view()).has_value(), good) << number;
  }
}

// RFC 8656 §12.6 MUST: a ChannelData datagram shorter than its length field is discarded
TEST(ChannelData, LengthsAgainstTheBytesThere) {
  for (std::size_t size = 0; size <= 24; ++size) {
    for (std::size_t length = 0; length <= 24; ++length) {
      std::vector<std::uint8_t> bytes(std::max<std::size_t>(size, 4), 0xCD);
      write_channel_data_header(bytes.data(), 0x4001, length);
      const Exact exact(ByteView(bytes).first(size));
      const auto parsed = parse_channel_data(exact.view());
      ASSERT_EQ(parsed.has_value(), size >= 4 && length <= size - 4) << size << ' ' << length;
      if (!parsed) continue;
      EXPECT_EQ(parsed->channel, 0x4001);
      EXPECT_EQ(parsed->data.size(), length) << "what follows is padding";
      EXPECT_EQ(parsed->data.data(), exact.view().data() + 4);
    }
  }
  const Exact most(channel_data(0x4FFF, 65'535, false));
  EXPECT_EQ(parse_channel_data(most.view())->data.size(), 65'535U);
  EXPECT_FALSE(parse_channel_data(most.view().first(65'538)).has_value());
}

TEST(Framer, RefusesWhatCannotBegin) {
  for (unsigned first = 0; first < 256; ++first) {
    const Exact bytes(std::vector<std::uint8_t>{static_cast<std::uint8_t>(first)});
    // Reserved channels (RFC 8656 §12.6) are framed, to be skipped.
    const bool good = first <= 3 || first >= 64;
    const auto frame = next_frame(bytes.view());
    EXPECT_EQ(frame.has_value(), good) << "by the first byte, at once: " << first;
    if (good) {
      EXPECT_FALSE(frame->has_value());
    }
  }
  EXPECT_TRUE(next_frame({}).has_value());
  EXPECT_FALSE(next_frame({})->has_value());
  // A STUN length that is no multiple of four.
  for (std::uint8_t low = 0; low < 8; ++low) {
    const Exact bytes(std::vector<std::uint8_t>{0x00, 0x01, 0x00, low});
    EXPECT_EQ(next_frame(bytes.view()).has_value(), low % 4 == 0) << int{low};
  }
}

/// A stream of all sorts of frames, and the messages that it holds.
std::vector<std::uint8_t> make_stream(std::vector<std::vector<std::uint8_t>>& messages) {
  RawMessage small;
  RawMessage larger(0x0016);
  larger.add(AttributeType::Data, "hello").add(AttributeType::DontFragment);
  messages.push_back(vec(small.done().view()));
  for (const std::size_t length : {0U, 1U, 2U, 3U, 4U, 5U, 20U}) {
    messages.push_back(channel_data(static_cast<std::uint16_t>(0x4000 + length), length, false));
    if (length == 3) messages.push_back(vec(larger.done().view()));
  }
  messages.push_back(vec(larger.done().view()));
  std::vector<std::uint8_t> stream;
  for (const auto& message : messages) {
    stream.insert(stream.end(), message.begin(), message.end());
    stream.resize(padded(stream.size()), 0);  // every frame starts at a multiple of four
  }
  return stream;
}

/// Feeds the stream in two parts, each from a buffer of exactly its size.
std::vector<std::vector<std::uint8_t>> feed(ByteView stream, const std::vector<std::size_t>& cuts) {
  std::vector<std::vector<std::uint8_t>> out;
  std::vector<std::uint8_t> held;
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    held.insert(held.end(), stream.begin() + static_cast<std::ptrdiff_t>(from),
                stream.begin() + static_cast<std::ptrdiff_t>(cut));
    from = cut;
    for (;;) {
      const Exact exact(held);
      const auto frame = next_frame(exact.view());
      EXPECT_TRUE(frame.has_value());
      if (!frame.has_value() || !frame->has_value()) break;
      EXPECT_GE((*frame)->consumed_bytes, (*frame)->message.size());
      EXPECT_LE((*frame)->consumed_bytes, held.size());
      EXPECT_LT((*frame)->consumed_bytes, (*frame)->message.size() + 4);
      EXPECT_EQ((*frame)->message.data(), exact.view().data());
      out.push_back(vec((*frame)->message));
      held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>((*frame)->consumed_bytes));
    }
  }
  EXPECT_TRUE(held.empty());
  return out;
}

// RFC 8489 §6.2.2 MUST: messages on a stream are found by their framing, however they are split
TEST(Framer, EverySplitPointGivesTheSameFrames) {
  std::vector<std::vector<std::uint8_t>> messages;
  const auto stream = make_stream(messages);
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    ASSERT_EQ(feed(stream, {cut, stream.size()}), messages) << cut;
  }
  std::vector<std::size_t> bytewise;
  for (std::size_t i = 1; i <= stream.size(); ++i) bytewise.push_back(i);
  EXPECT_EQ(feed(stream, bytewise), messages);
}

TEST(Framer, TheLargestFrames) {
  for (const std::size_t length : {65'532U, 65'533U, 65'535U}) {
    auto bytes = channel_data(0x4000, length, true);
    ASSERT_LE(bytes.size(), kMaxFrameBytes);
    const auto frame = next_frame(bytes);
    ASSERT_TRUE(frame.has_value() && frame->has_value());
    EXPECT_EQ((*frame)->message.size(), 4 + length);
    EXPECT_EQ((*frame)->consumed_bytes, bytes.size());
    bytes.pop_back();
    EXPECT_FALSE(next_frame(bytes)->has_value()) << "the padding belongs to the frame (RFC 8656 §12.5)";
  }
  RawMessage raw;
  raw.add(AttributeType::Data, std::vector<std::uint8_t>(65'528));
  const Exact bytes = raw.done();
  ASSERT_LE(bytes.view().size(), kMaxFrameBytes);
  EXPECT_EQ((*next_frame(bytes.view()))->message.size(), bytes.view().size());
  EXPECT_FALSE(next_frame(bytes.view().first(bytes.view().size() - 1))->has_value());
}

}  // namespace
}  // namespace ts::stun
