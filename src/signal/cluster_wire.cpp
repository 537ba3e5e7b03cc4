// SPDX-License-Identifier: Apache-2.0
#include "cluster_wire.hpp"

#include <algorithm>
#include <array>

#include <turnstone/signal/cluster.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::signal::wire {
namespace {

constexpr std::string_view kMagic = "TSN";
constexpr std::size_t kMaxMarkBytes = kMaxPeerNameBytes;  // of an Undelivered it is a peer id

constexpr std::uint8_t kRestartFlag = 1;
constexpr std::uint8_t kGapFlag = 2;

enum Field : std::uint32_t {
  kNumber = 1,
  kStamp = 2,
  kPeer = 4,
  kRoom = 8,
  kText = 16,
  kMark = 32,
  kSession = 64,
  kSize = 128,
  kFlag = 256,
  kOver = 512,
  kTargets = 1024,
  /// The room may be empty: none was named.
  kAnyRoom = 2048
};

/// The fields of each type, in the order of the bits.
constexpr std::array<std::uint32_t, kOpTypes> kFields{
    0,
    0,                                                            // Begin
    0,                                                            // End
    kNumber | kStamp | kPeer | kMark | kSession | kOver,          // Member
    kNumber | kFlag,                                              // Gone
    kNumber | kStamp | kRoom | kText,                             // Join
    kNumber | kRoom | kFlag,                                      // Leave
    kNumber | kRoom | kText,                                      // Update
    kNumber | kFlag,                                              // Lost
    kStamp | kRoom | kText | kSize | kFlag,                       // Room
    kStamp | kPeer | kRoom | kText | kMark | kSize,               // Ban
    kPeer | kRoom | kText | kFlag | kTargets | kAnyRoom,          // Message
    kPeer | kRoom | kMark | kAnyRoom,                             // Undelivered
    kNumber | kStamp | kPeer | kRoom | kText | kOver | kAnyRoom,  // Kick
    kNumber | kText | kFlag,                                      // Order
    kText                                                         // Url
};

/// The highest value of the flag of each type.
constexpr std::uint8_t max_flag(OpType type) noexcept {
  switch (type) {
    case OpType::Gone:
    case OpType::Leave: return static_cast<std::uint8_t>(LeaveReason::Kicked);
    case OpType::Message: return static_cast<std::uint8_t>(kKindCount - 1);
    case OpType::Order: return static_cast<std::uint8_t>(kOrderKinds - 1);
    default: return 1;
  }
}

/// How long the text of each type may be; the frame bounds a message's.
constexpr std::size_t max_text(OpType type) noexcept {
  switch (type) {
    case OpType::Message: return SIZE_MAX;
    case OpType::Ban:
    case OpType::Kick: return kMaxReasonBytes;
    case OpType::Order: return kMaxOrderBytes;
    case OpType::Url: return kMaxUrlBytes;
    default: return kMaxMetaBytes;
  }
}

void put_u32(std::string& out, std::uint32_t value) {
  std::array<std::uint8_t, 4> bytes{};
  store_be32(bytes.data(), value);
  out.append(as_text(bytes));
}

void put_u64(std::string& out, std::uint64_t value) {
  std::array<std::uint8_t, 8> bytes{};
  store_be64(bytes.data(), value);
  out.append(as_text(bytes));
}

void put_text(std::string& out, std::string_view text) {
  put_u32(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

std::string_view get_text(ByteReader& in) noexcept {
  const std::uint32_t size = in.u32();
  return as_text(in.bytes(size));
}

bool names_are_valid(const Op& op, std::uint32_t fields) noexcept {
  if ((fields & kPeer) != 0 && !valid_name(op.peer, kMaxPeerNameBytes)) return false;
  const bool needs_room = (fields & kRoom) != 0 && ((fields & kAnyRoom) == 0 || !op.room.empty());
  if (needs_room && !valid_name(op.room, kMaxRoomNameBytes)) return false;
  if (op.mark.size() > kMaxMarkBytes || op.session.size() > kMaxMarkBytes) return false;
  if (op.over.size() > kMaxNodeBytes || op.text.size() > max_text(op.type)) return false;
  if (op.flag > max_flag(op.type) || op.stamp > kMaxStamp) return false;
  return std::all_of(op.targets.begin(), op.targets.end(),
                     [](std::string_view name) { return valid_name(name, kMaxPeerNameBytes); });
}

}  // namespace

std::string encode(const Op& op) {
  const std::uint32_t fields = kFields[static_cast<std::size_t>(op.type)];
  std::string out(4, '\0');
  out.reserve(64 + op.text.size());
  out.push_back(static_cast<char>(op.type));
  if ((fields & kNumber) != 0) put_u64(out, op.number);
  if ((fields & kStamp) != 0) put_u64(out, op.stamp);
  if ((fields & kPeer) != 0) put_text(out, op.peer);
  if ((fields & kRoom) != 0) put_text(out, op.room);
  if ((fields & kText) != 0) put_text(out, op.text);
  if ((fields & kMark) != 0) put_text(out, op.mark);
  if ((fields & kSession) != 0) put_text(out, op.session);
  if ((fields & kSize) != 0) put_u32(out, op.size);
  if ((fields & kFlag) != 0) out.push_back(static_cast<char>(op.flag));
  if ((fields & kOver) != 0) put_text(out, op.over);
  if ((fields & kTargets) != 0) {
    put_u32(out, static_cast<std::uint32_t>(op.targets.size()));
    for (const std::string_view name : op.targets) put_text(out, name);
  }
  std::array<std::uint8_t, 4> size{};
  store_be32(size.data(), static_cast<std::uint32_t>(out.size() - 4));
  out.replace(0, 4, as_text(size));
  return out;
}

std::string encode(const Head& head, std::string_view ops) {
  std::string out(kMagic);
  out.reserve(96 + ops.size());
  out.push_back(static_cast<char>(kVersion));
  out.push_back(static_cast<char>(head.type));
  put_u64(out, head.serial);
  put_text(out, head.node);
  if (head.type != FrameType::Data) return out;
  put_u64(out, head.stream);
  put_u64(out, head.first);
  put_u64(out, head.ack_stream);
  put_u64(out, head.ack);
  out.push_back(static_cast<char>((head.restart ? kRestartFlag : 0) | (head.gap ? kGapFlag : 0)));
  put_u32(out, head.count);
  return out.append(ops);
}

Look look_at(std::string_view frame) noexcept {
  const std::size_t start = kMagic.size() + 2;
  if (frame.size() < start || !frame.starts_with(kMagic)) return Look::Nothing;
  if (static_cast<std::uint8_t>(frame[start - 2]) != kVersion) return Look::OtherVersion;
  return static_cast<FrameType>(frame[start - 1]) == FrameType::Data ? Look::ToOne : Look::ToAll;
}

namespace {

ByteView mac_of(const Sha256Digest& digest) noexcept { return ByteView(digest).first(kMacBytes); }

/// No channel has a zero in it.
Sha256Digest sign(const HmacSha256Key& key, std::string_view channel, std::string_view frame) noexcept {
  return key.sign({as_bytes(channel), as_bytes(std::string_view("\0", 1)), as_bytes(frame)});
}

}  // namespace

void seal(const HmacSha256Key& key, std::string_view channel, std::string& frame) {
  const Sha256Digest digest = sign(key, channel, frame);
  frame.append(as_text(mac_of(digest)));
}

std::optional<std::string_view> unseal(const HmacSha256Key& key, std::string_view channel,
                                       std::string_view frame) {
  if (frame.size() < kMacBytes) return std::nullopt;
  const std::string_view body = frame.substr(0, frame.size() - kMacBytes);
  const Sha256Digest digest = sign(key, channel, body);
  if (!equal_constant_time(mac_of(digest), as_bytes(frame.substr(body.size())))) return std::nullopt;
  return body;
}

std::optional<Head> FrameReader::head() {
  const std::string_view magic = as_text(in_.bytes(kMagic.size()));
  const std::uint8_t version = in_.u8();
  const std::uint8_t type = in_.u8();
  Head out;
  out.serial = in_.u64();
  out.node = get_text(in_);
  if (!in_.ok() || magic != kMagic || version != kVersion || !valid_name(out.node, kMaxNodeBytes) ||
      type < static_cast<std::uint8_t>(FrameType::Beacon) ||
      type > static_cast<std::uint8_t>(FrameType::Data))
    return std::nullopt;
  out.type = static_cast<FrameType>(type);
  if (out.type != FrameType::Data) return out;
  out.stream = in_.u64();
  out.first = in_.u64();
  out.ack_stream = in_.u64();
  out.ack = in_.u64();
  const std::uint8_t flags = in_.u8();
  out.restart = (flags & kRestartFlag) != 0;
  out.gap = (flags & kGapFlag) != 0;
  out.count = in_.u32();
  if (!in_.ok()) return std::nullopt;
  return out;
}

std::optional<Op> FrameReader::next() {
  if (!ok_ || in_.remaining() == 0) return std::nullopt;
  ok_ = false;  // unless it is read to its end
  const std::uint32_t size = in_.u32();
  ByteReader in(in_.bytes(size));
  const std::uint8_t type = in.u8();
  if (!in_.ok() || type == 0 || type >= kOpTypes) return std::nullopt;
  const std::uint32_t fields = kFields[type];
  Op op;
  op.type = static_cast<OpType>(type);
  if ((fields & kNumber) != 0) op.number = in.u64();
  if ((fields & kStamp) != 0) op.stamp = in.u64();
  if ((fields & kPeer) != 0) op.peer = get_text(in);
  if ((fields & kRoom) != 0) op.room = get_text(in);
  if ((fields & kText) != 0) op.text = get_text(in);
  if ((fields & kMark) != 0) op.mark = get_text(in);
  if ((fields & kSession) != 0) op.session = get_text(in);
  if ((fields & kSize) != 0) op.size = in.u32();
  if ((fields & kFlag) != 0) op.flag = in.u8();
  if ((fields & kOver) != 0) op.over = get_text(in);
  if ((fields & kTargets) != 0) {
    const std::uint32_t count = in.u32();
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) op.targets.push_back(get_text(in));
  }
  if (!in.ok() || in.remaining() != 0 || !names_are_valid(op, fields)) return std::nullopt;
  ok_ = true;
  return op;
}

}  // namespace ts::signal::wire
