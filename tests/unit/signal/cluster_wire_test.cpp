// SPDX-License-Identifier: Apache-2.0
// What nodes say to each other: what is written is read, and nothing else.
#include "../../../src/signal/cluster_wire.hpp"

#include <algorithm>
#include <functional>
#include <memory>

#include <gtest/gtest.h>

#include <turnstone/signal/cluster.hpp>

namespace ts::signal::wire {
namespace {

Op full(OpType type) {
  Op op{type};
  op.number = 7, op.stamp = 9, op.size = 3, op.flag = 1;
  op.peer = "ada", op.room = "r", op.text = "{}", op.mark = "m", op.session = "s", op.over = "n";
  op.targets = {"bob", "cid"};
  return op;
}

/// In a buffer of exactly its size.
std::optional<Op> read(std::string_view bytes, bool& ok) {
  const auto exact = std::make_unique<char[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), exact.get());
  FrameReader in(std::string_view(exact.get(), bytes.size()));
  auto op = in.next();
  ok = in.ok();
  return op;
}

TEST(ClusterWire, EveryOperationIsReadAsItWasWritten) {
  for (std::size_t type = 1; type < kOpTypes; ++type) {
    const std::string bytes = encode(full(static_cast<OpType>(type)));
    FrameReader in(bytes);
    const auto op = in.next();
    ASSERT_TRUE(op) << type;
    EXPECT_EQ(encode(*op), bytes) << type;
    EXPECT_FALSE(in.next());
    EXPECT_TRUE(in.ok());
  }
}

TEST(ClusterWire, NothingShorterIsRead) {
  for (std::size_t type = 1; type < kOpTypes; ++type) {
    const std::string bytes = encode(full(static_cast<OpType>(type)));
    for (std::size_t size = 1; size < bytes.size(); ++size) {
      bool ok = true;
      EXPECT_FALSE(read(std::string_view(bytes).substr(0, size), ok)) << type << ' ' << size;
      EXPECT_FALSE(ok);
    }
  }
}

TEST(ClusterWire, WhatMembersMayNotBeCalledIsMalformed) {
  struct Wrong {
    const char* name;
    std::function<void(Op&)> change;
    OpType type;
  };
  const std::string long_text(5000, 'x');
  const Wrong wrong[] = {
      {"no peer", [](Op& op) { op.peer = ""; }, OpType::Member},
      {"control", [](Op& op) { op.peer = "a\n"; }, OpType::Member},
      {"long peer", [&](Op& op) { op.peer = long_text; }, OpType::Member},
      {"no room", [](Op& op) { op.room = ""; }, OpType::Join},
      {"long meta", [&](Op& op) { op.text = long_text; }, OpType::Join},
      {"reason", [](Op& op) { op.flag = 3; }, OpType::Leave},
      {"kind", [](Op& op) { op.flag = 5; }, OpType::Message},
      {"kind of order", [](Op& op) { op.flag = kOrderKinds; }, OpType::Order},
      {"clock", [](Op& op) { op.stamp = kMaxStamp + 1; }, OpType::Member},
      {"end of all clocks", [](Op& op) { op.stamp = UINT64_MAX; }, OpType::Join},
      {"target", [](Op& op) { op.targets = {""}; }, OpType::Message},
  };
  for (const Wrong& w : wrong) {
    Op op = full(w.type);
    w.change(op);
    bool ok = true;
    EXPECT_FALSE(read(encode(op), ok)) << w.name;
    EXPECT_FALSE(ok) << w.name;
  }
  Op unnamed = full(OpType::Message);
  unnamed.room = "";
  bool ok = false;
  EXPECT_TRUE(read(encode(unnamed), ok)) << "a message may name no room";
}

TEST(ClusterWire, HeadsAreRead) {
  const Head head{FrameType::Data, "node", 9, 1, 2, 3, 4, true, true, 5};
  const std::string frame = encode(head, "ops");
  FrameReader in(frame);
  const auto read = in.head();
  ASSERT_TRUE(read);
  EXPECT_EQ(encode(*read, "ops"), frame);
  for (std::size_t size = 0; size < frame.size() - 3; ++size)
    EXPECT_FALSE(FrameReader(std::string_view(frame).substr(0, size)).head()) << size;
  std::string other = frame;
  other[3] = 1;  // the version
  EXPECT_FALSE(FrameReader(other).head());
}

TEST(ClusterWire, OnlyTheKeyAndTheChannelOpenAFrame) {
  const HmacSha256Key key(as_bytes("key"));
  const std::string body = encode(Head{FrameType::Data, "node", 9, 1, 2, 3, 4, false, false, 5}, "ops");
  std::string frame = body;
  seal(key, "p:node:x", frame);
  ASSERT_EQ(frame.size(), body.size() + kMacBytes);
  EXPECT_EQ(unseal(key, "p:node:x", frame), body);
  EXPECT_FALSE(unseal(key, "p:node:y", frame)) << "another node's, or another deployment's";
  EXPECT_FALSE(unseal(HmacSha256Key(as_bytes("other")), "p:node:x", frame));
  for (std::size_t i = 0; i < frame.size(); ++i) {
    std::string other = frame;
    other[i] = static_cast<char>(other[i] ^ 1);
    EXPECT_FALSE(unseal(key, "p:node:x", other)) << i;
    EXPECT_FALSE(unseal(key, "p:node:x", std::string_view(frame).substr(0, i))) << i;
  }
}

TEST(ClusterWire, AVersionIsSeenBeforeTheSignature) {
  EXPECT_EQ(look_at(""), Look::Nothing);
  EXPECT_EQ(look_at("TSM\x02\x01"), Look::Nothing);
  EXPECT_EQ(look_at("TSN\x01\x01"), Look::OtherVersion);
  EXPECT_EQ(look_at("TSN\x03\x01"), Look::OtherVersion);
  EXPECT_EQ(look_at("TSN\x02\x01"), Look::ToAll);
  EXPECT_EQ(look_at("TSN\x02\x03"), Look::ToOne);
}

}  // namespace
}  // namespace ts::signal::wire
