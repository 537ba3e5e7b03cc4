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

namespace ts::signal::wire {

/// Nodes with another one do not understand each other.
inline constexpr std::uint8_t kVersion = 1;
inline constexpr std::size_t kMaxNodeBytes = 32;
inline constexpr std::size_t kMaxOrderBytes = 4096;
inline constexpr std::size_t kMaxUrlBytes = 512;

enum class FrameType : std::uint8_t { Beacon = 1, Bye = 2, Data = 3 };

/// What a frame begins with. Views into its bytes.
struct Head {
  FrameType type = FrameType::Beacon;
  std::string_view node;
  // Of Data: which of the sender's streams to the receiver, and the number of the first operation in it.
  std::uint64_t stream = 0;
  std::uint64_t first = 0;
  /// The receiver's stream that the sender reads, and how far; stream 0: none.
  std::uint64_t ack_stream = 0;
  std::uint64_t ack = 0;
  /// The sender does not have the beginning of the receiver's stream `ack_stream`, and wants a new one.
  bool restart = false;
  std::uint32_t count = 0;
};

enum class OpType : std::uint8_t {
  Begin = 1,  ///< all that follows up to End is there; what is not told of is not
  End,
  Member,       ///< number, peer, mark, session, stamp, over, over_stamp
  Gone,         ///< number, flag: LeaveReason
  Join,         ///< number, room, stamp, text: meta
  Leave,        ///< number, room, flag
  Update,       ///< number, room, text
  Lost,         ///< number, flag: bool
  Room,         ///< room, size, flag: locked, text: meta, stamp
  Ban,          ///< room, peer, text: reason, mark, size: seconds
  Message,      ///< peer: from, room, flag: Kind, text: data, targets
  Undelivered,  ///< peer: the sender, room, mark: the target
  Kick,         ///< peer, room, text: reason
  Order,        ///< text
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
  std::uint64_t over_stamp = 0;
  std::vector<std::string_view> targets{};
};

/// The operation with its length before it.
std::string encode(const Op& op);
/// A whole frame; `ops` are `head.count` encoded operations behind each other.
std::string encode(const Head& head, std::string_view ops);

/// Reads a frame: its head, then its operations one after the other.
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
