// SPDX-License-Identifier: Apache-2.0
// What nodes say to each other, as bytes: frames with operations in them (docs/several-nodes.md). Pure;
// bounded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/base/bytes.hpp>
#include <turnstone/base/hash.hpp>

namespace ts::signal::wire {

/// Nodes with another one do not understand each other.
inline constexpr std::uint8_t kVersion = 2;
/// What a frame ends with: an HMAC-SHA-256, cut.
inline constexpr std::size_t kMacBytes = 16;
/// Orders of joins, claims and options are below; so high nothing counts.
inline constexpr std::uint64_t kMaxStamp = std::uint64_t{1} << 62;
inline constexpr std::size_t kMaxNodeBytes = 32;
inline constexpr std::size_t kMaxOrderBytes = 4096;
inline constexpr std::size_t kMaxUrlBytes = 512;

enum class FrameType : std::uint8_t { Beacon = 1, Bye = 2, Data = 3 };

/// What a frame begins with. Views into its bytes.
struct Head {
  FrameType type = FrameType::Beacon;
  std::string_view node;
  /// Higher with each frame of a node: none is taken twice.
  std::uint64_t serial = 0;
  // Of Data: which of the sender's streams to the receiver, and the number of the first operation in it.
  std::uint64_t stream = 0;
  std::uint64_t first = 0;
  /// The receiver's stream that the sender reads, and how far; stream 0: none.
  std::uint64_t ack_stream = 0;
  std::uint64_t ack = 0;
  /// The sender does not have the beginning of the receiver's stream `ack_stream`, and wants a new one.
  bool restart = false;
  /// It has seen what comes after `ack` + 1, and not that.
  bool gap = false;
  std::uint32_t count = 0;
};

enum class OpType : std::uint8_t {
  Begin = 1,  ///< all that follows up to End is there; what is not told of is not
  End,
  Member,       ///< number, peer, mark, session, stamp, over: the node whose member made way
  Gone,         ///< number, flag: LeaveReason
  Join,         ///< number, room, stamp, text: meta
  Leave,        ///< number, room, flag
  Update,       ///< number, room, text
  Lost,         ///< number, flag: bool
  Room,         ///< room, size, flag: locked, text: meta, stamp
  Ban,          ///< room, peer, text: reason, mark, size: seconds, stamp
  Message,      ///< peer: from, room, flag: Kind, text: data, targets
  Undelivered,  ///< peer: the sender, room, mark: the target
  Kick,         ///< over: the member's node; number, peer, room, stamp: the order of its join; text: reason
  Order,        ///< text, number: until when, flag: kind
  Url           ///< text: where the sender's HTTP port is; behind Begin
};
inline constexpr std::size_t kOpTypes = 16;

/// One operation; which members count depends on its type. Views as long as the bytes.
struct Op {
  OpType type = OpType::Begin;
  std::uint64_t number = 0;
  std::uint64_t stamp = 0;
  std::string_view peer{};
  std::string_view room{};
  std::string_view text{};
  std::string_view mark{};
  std::string_view session{};
  std::uint32_t size = 0;
  std::uint8_t flag = 0;
  std::string_view over{};
  std::vector<std::string_view> targets{};
};

/// The operation with its length before it.
std::string encode(const Op& op);
/// A whole frame but for its MAC; `ops` are `head.count` encoded operations behind each other.
std::string encode(const Head& head, std::string_view ops);

/// What can be said of a frame before its MAC is looked at.
enum class Look : std::uint8_t { Nothing, OtherVersion, ToAll, ToOne };
Look look_at(std::string_view frame) noexcept;
/// Appends the MAC, which is good for this channel alone.
void seal(const HmacSha256Key& key, std::string_view channel, std::string& frame);
/// The frame without its MAC; nothing: it is not that of a node with this key, or was for another channel.
std::optional<std::string_view> unseal(const HmacSha256Key& key, std::string_view channel,
                                       std::string_view frame);

/// Reads a frame without its MAC: its head, then its operations one after the other.
class FrameReader {
 public:
  explicit FrameReader(std::string_view frame) noexcept : in_(as_bytes(frame)) {}
  /// Nothing: it is none, or of another version.
  std::optional<Head> head();
  /// The next operation; nothing at the end, or where it is malformed: then ok() is false.
  std::optional<Op> next();
  bool ok() const noexcept { return ok_; }

 private:
  ByteReader in_;
  bool ok_ = true;
};

}  // namespace ts::signal::wire
