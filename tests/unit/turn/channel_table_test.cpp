// SPDX-License-Identifier: Apache-2.0
// Channels by number and by peer: few of them, many, and every way from one to the other.
#include "../../../src/turn/channel_table.hpp"

#include <map>

#include <gtest/gtest.h>

#include <turnstone/base/hash.hpp>

namespace ts::turn {
namespace {

constexpr std::uint64_t kSeed = 42;

Endpoint peer_of(std::uint32_t i) {
  return {IpAddress::v4(10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                        static_cast<std::uint8_t>(i)),
          static_cast<std::uint16_t>(1000 + i % 7)};
}

/// A table and what it must hold: peers by number.
struct Both {
  ChannelTable table;
  std::map<std::uint16_t, std::uint32_t> model;

  void bind(std::uint16_t number, std::uint32_t peer) {
    table.insert(Channel{number, peer_of(peer), TimePoint(Duration(peer))}, kSeed);
    model[number] = peer;
  }
  void expect_same(std::uint32_t peers) {
    ASSERT_EQ(table.size(), model.size());
    auto at = table.begin();
    std::map<std::uint32_t, std::uint16_t> by_peer;
    for (const auto& [number, peer] : model) {
      ASSERT_EQ(at++->number, number);
      const Channel* found = table.find(number);
      ASSERT_TRUE(found != nullptr && found->peer == peer_of(peer)) << number;
      by_peer[peer] = number;
    }
    for (std::uint32_t peer = 0; peer < peers; ++peer) {
      const Channel* found = table.find(peer_of(peer));
      const auto wanted = by_peer.find(peer);
      ASSERT_EQ(found != nullptr, wanted != by_peer.end()) << peer;
      ASSERT_TRUE(found == nullptr || found->number == wanted->second) << peer;
      // An address is not enough.
      Endpoint other = peer_of(peer);
      other.port = static_cast<std::uint16_t>(other.port + 7);
      ASSERT_EQ(table.find(other), nullptr);
    }
  }
};

TEST(ChannelTable, FindsByNumberAndByPeerInWhateverOrderTheyCame) {
  constexpr std::uint32_t kCount = 3 * ChannelTable::kMostWithoutIndex;
  for (const std::uint32_t step : {1U, 5U, kCount - 1}) {  // upwards, mixed, downwards
    Both both;
    EXPECT_TRUE(both.table.empty());
    for (std::uint32_t i = 0; i < kCount; ++i) {
      const std::uint32_t n = (i + 1) * step % kCount;
      both.bind(static_cast<std::uint16_t>(0x4000 + n), n);
      both.expect_same(kCount);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(ChannelTable, HoldsAsManyAsThereAreNumbers) {
  Both both;
  for (std::uint32_t i = 0x4000; i < 0x8000; ++i) both.bind(static_cast<std::uint16_t>(i), i);
  both.expect_same(0x8000);
  EXPECT_EQ(both.table.erase_if([](const Channel&) { return true; }), 0x4000U);
  both.model.clear();
  both.expect_same(0x8000);
}

TEST(ChannelTable, ChannelsComeAndGo) {
  constexpr std::uint32_t kPeers = 60;
  std::uint64_t dice = 1;
  const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>((dice = mix64(dice, 7)) % n); };
  for (int round = 0; round < 6; ++round) {
    Both both;
    for (int i = 0; i < 300; ++i) {
      const auto number = static_cast<std::uint16_t>(0x4000 + below(100));
      const std::uint32_t peer = below(kPeers);
      if (below(20) == 0) {
        const std::uint32_t keep = below(3);
        const auto goes = [&](std::uint16_t n) { return n % 3 != keep; };
        const std::size_t erased = both.table.erase_if([&](const Channel& c) { return goes(c.number); });
        ASSERT_EQ(std::erase_if(both.model, [&](const auto& one) { return goes(one.first); }), erased);
      } else if (both.table.find(number) == nullptr && both.table.find(peer_of(peer)) == nullptr) {
        both.bind(number, peer);
      }
      both.expect_same(kPeers);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(ChannelTable, PeersOfBothFamilies) {
  ChannelTable table;
  for (std::uint16_t i = 0; i < 20; ++i) {
    std::array<std::uint8_t, 16> six{10, 0, 0, static_cast<std::uint8_t>(i)};
    table.insert(Channel{static_cast<std::uint16_t>(0x4000 + 2 * i), {IpAddress::from_bytes(six), 5}, {}},
                 kSeed);
    table.insert(Channel{static_cast<std::uint16_t>(0x4001 + 2 * i),
                         {IpAddress::v4(10, 0, 0, static_cast<std::uint8_t>(i)), 5},
                         {}},
                 kSeed);
  }
  for (std::uint16_t i = 0; i < 20; ++i) {
    std::array<std::uint8_t, 16> six{10, 0, 0, static_cast<std::uint8_t>(i)};
    EXPECT_EQ(table.find({IpAddress::from_bytes(six), 5})->number, 0x4000 + 2 * i);
    EXPECT_EQ(table.find({IpAddress::v4(10, 0, 0, static_cast<std::uint8_t>(i)), 5})->number, 0x4001 + 2 * i);
  }
}

}  // namespace
}  // namespace ts::turn
