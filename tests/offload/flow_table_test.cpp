// SPDX-License-Identifier: Apache-2.0
// FlowTable over the kernel's maps: what is left is not used again before no packet uses it. Needs root.
#include "../../src/offload/flow_table.hpp"

#include <set>

#include <gtest/gtest.h>
#include <unistd.h>

#include <turnstone/offload/offload.hpp>

#include "kernel.hpp"

namespace ts::offload::testing {
namespace {

Endpoint ep(const char* text) { return Endpoint::parse(text).value(); }

turn::Flow flow_of(int number, const char* peer = "192.0.2.9:9000") {
  turn::Flow out;
  out.channel = static_cast<std::uint16_t>(0x4000 + number);
  out.tuple = {ep("198.51.100.7:7000"), ep("198.51.100.1:3478"), turn::Transport::Udp};
  out.relay = ep("203.0.113.1:50000");
  out.peer = ep(peer);
  out.until = kernel_now() + std::chrono::minutes(5);
  return out;
}

const Ways kWays{{2, 1500, ep("198.51.100.7:1").address}, {3, 1500, ep("192.0.2.9:1").address}};
const Ways kOther{{2, 1500, ep("198.51.100.7:1").address}, {4, 1500, ep("192.0.2.9:1").address}};

struct Table : ::testing::Test {
  void SetUp() override {
    if (!is_built_in()) GTEST_SKIP() << "built without libbpf or clang";
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto loaded = Program::load();
    ASSERT_TRUE(loaded) << loaded.error();
    program = std::move(*loaded);
    table.emplace(*program, 42);
  }
  /// Tells of it and places it.
  void place(const turn::Flow& flow, const std::optional<Ways>& ways = kWays, std::uint32_t epoch = 1) {
    table->tell(flow);
    table->place(*table->find(FlowTable::name_of(flow)), ways, epoch);
  }
  static turn::Flow ended(turn::Flow flow) {
    flow.ended = true;
    return flow;
  }

  std::unique_ptr<Program> program;
  std::optional<FlowTable> table;
};

TEST_F(Table, SlotsAreFreeWhenNoPacketUsesThem) {
  const std::size_t all = table->free_slots();
  EXPECT_EQ(all, std::size_t{TS_MAX_FLOWS});
  place(flow_of(1));
  place(flow_of(2));
  EXPECT_EQ(table->placed(), 2U);
  turn::Flow end = ended(flow_of(1));
  table->end(end);
  EXPECT_EQ(table->free_slots(), all - 2) << "a packet may be using the leg";
  place(flow_of(3));
  EXPECT_EQ(table->slots_used(), 3U) << "not the one that was left";
  const auto left = table->take_left();
  EXPECT_EQ(left.size(), 1U);
  EXPECT_TRUE(program->settle());
  table->give_back(left);
  EXPECT_EQ(table->free_slots(), all - 2);
  place(flow_of(4));
  EXPECT_EQ(table->slots_used(), 3U);
}

TEST_F(Table, LegsInUseAreNotRewritten) {
  place(flow_of(1));
  place(flow_of(1));
  EXPECT_EQ(table->slots_used(), 1U) << "nothing is new";
  place(flow_of(1), kOther);
  EXPECT_EQ(table->slots_used(), 2U);
  EXPECT_EQ(program->leg(leg_to_peer(0)).out_device, 3U);
  EXPECT_EQ(program->leg(leg_to_peer(1)).out_device, 4U);
  place(flow_of(1), kOther, 2);
  EXPECT_EQ(program->leg(leg_to_peer(2)).epoch, 2U) << "and has to be proven anew";
  EXPECT_EQ(table->placed(), 1U);
  EXPECT_EQ(table->take_left().size(), 2U);
}

TEST_F(Table, OnlyTheTimeChangesInPlace) {
  turn::Flow flow = flow_of(1);
  place(flow);
  program->set_proof(leg_to_peer(0), TS_ALL_PROVEN, TS_NONE_CAME);
  flow.until += std::chrono::minutes(5);
  EXPECT_FALSE(table->tell(flow)) << "there is nothing to find out";
  EXPECT_EQ(program->leg(leg_to_peer(0)).until, kernel_time(flow.until));
  EXPECT_EQ(program->leg(leg_to_client(0)).until, kernel_time(flow.until));
  EXPECT_EQ(program->leg(leg_to_peer(0)).proven, TS_ALL_PROVEN);
}

TEST_F(Table, WhatWasToldAnewIsLeftAsItIs) {
  table->tell(flow_of(1));
  const auto wanted = *table->find(FlowTable::name_of(flow_of(1)));
  EXPECT_TRUE(table->tell(flow_of(1, "192.0.2.10:9000")));
  EXPECT_FALSE(table->tell(flow_of(1, "192.0.2.10:9000"))) << "it is awaited already";
  table->place(wanted, kWays, 1);
  EXPECT_EQ(table->placed(), 0U) << "the ways are another peer's";
  turn::Flow end = ended(flow_of(1, "192.0.2.10:9000"));
  table->end(end);
  table->place(wanted, kWays, 1);
  EXPECT_EQ(table->placed(), 0U) << "it is over";
  EXPECT_FALSE(table->find(FlowTable::name_of(flow_of(1))));
}

TEST_F(Table, HasAPlaceForEachFlow) {
  for (int i = 0; i < 5; ++i) table->tell(flow_of(i));
  for (const int over : {1, 4, 0}) {
    turn::Flow end = ended(flow_of(over));
    table->end(end);
  }
  table->tell(flow_of(7));
  std::set<int> names;
  for (std::size_t place = 0; place < table->size(); ++place)
    names.insert(table->name_at(place).channel - 0x4000);
  EXPECT_EQ(names, (std::set<int>{2, 3, 7}));
}

/// More than the kernel can have: nothing is kept of them.
TEST_F(Table, IsBounded) {
  turn::Flow flow = flow_of(1);
  for (unsigned i = 0; i < TS_MAX_FLOWS; ++i) {
    flow.tuple.client.port = static_cast<std::uint16_t>(i);
    ASSERT_TRUE(table->tell(flow));
  }
  EXPECT_FALSE(table->tell(flow_of(2)));
  EXPECT_EQ(table->size(), std::size_t{TS_MAX_FLOWS});
  EXPECT_FALSE(table->find(FlowTable::name_of(flow_of(2))));
  turn::Flow unknown = ended(flow_of(2));
  table->end(unknown);
  ASSERT_TRUE(table->find(FlowTable::name_of(flow)));
  EXPECT_TRUE(table->tell(flow)) << "those that are known are told on";
  turn::Flow end = ended(flow);
  table->end(end);
  EXPECT_TRUE(table->tell(flow_of(2)));
}

TEST_F(Table, SlotsThatCannotBeWaitedForAreLeftStill) {
  place(flow_of(1));
  turn::Flow end = ended(flow_of(1));
  table->end(end);
  const auto left = table->take_left();
  EXPECT_EQ(left.size(), 1U);
  table->leave(left);
  EXPECT_EQ(table->take_left(), left);
}

TEST_F(Table, WithoutWaysItIsTheSockets) {
  place(flow_of(1));
  place(flow_of(1), std::nullopt);
  EXPECT_EQ(table->placed(), 0U);
  place(flow_of(1));
  EXPECT_EQ(table->placed(), 1U);
}

}  // namespace
}  // namespace ts::offload::testing
