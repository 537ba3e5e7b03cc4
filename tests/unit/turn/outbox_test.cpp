// SPDX-License-Identifier: Apache-2.0
// The Outbox's arena: views stay where they are until clear(), and its memory is used again.
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/turn/counters.hpp>
#include <turnstone/turn/outbox.hpp>

namespace ts::turn {
namespace {

TEST(Outbox, ViewsAreStableWhileTheArenaGrows) {
  Outbox out;
  std::vector<MutableBytes> views;
  for (std::size_t i = 0; i < 2000; ++i) {
    const std::size_t size = 1 + i * 37 % Outbox::kMaxReserve;
    const MutableBytes view = out.reserve(size);
    ASSERT_GE(view.size(), size);
    std::fill_n(view.begin(), size, static_cast<std::uint8_t>(i));
    out.commit(size);
    views.push_back(view.first(size));
  }
  for (std::size_t i = 0; i < views.size(); ++i) {
    for (const std::uint8_t byte : views[i]) ASSERT_EQ(byte, static_cast<std::uint8_t>(i)) << i;
  }
}

TEST(Outbox, WhatWasNotCommittedIsGivenOutAgain) {
  Outbox out;
  const auto* first = out.reserve(100).data();
  EXPECT_EQ(out.reserve(50).data(), first);
  out.commit(10);
  EXPECT_GE(out.reserve(50).data(), first + 10);
}

TEST(Outbox, ClearUsesTheSameMemoryAgain) {
  Outbox out;
  const auto round = [&out] {
    std::set<const std::uint8_t*> places;
    for (int i = 0; i < 100; ++i) {
      places.insert(out.reserve(Outbox::kMaxReserve).data());
      out.commit(Outbox::kMaxReserve);
    }
    out.clear();
    return places;
  };
  const auto first = round();
  EXPECT_EQ(first.size(), 100U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(round(), first);
}

TEST(Outbox, IsEmptyUntilSomethingIsWanted) {
  Outbox out;
  EXPECT_TRUE(out.empty());
  const auto wants = [&out](auto& queue) {
    queue.emplace_back();
    const bool seen = !out.empty();
    out.clear();
    return seen && out.empty();
  };
  EXPECT_TRUE(wants(out.to_clients));
  EXPECT_TRUE(wants(out.to_peers));
  EXPECT_TRUE(wants(out.open_relays));
  EXPECT_TRUE(wants(out.close_relays));
  EXPECT_TRUE(wants(out.close_connections));
  EXPECT_TRUE(wants(out.connect_peers));
  EXPECT_TRUE(wants(out.bind_data));
  EXPECT_TRUE(wants(out.hand_overs));
  EXPECT_TRUE(wants(out.asks));
  EXPECT_TRUE(wants(out.events));
  EXPECT_TRUE(wants(out.letters));
}

TEST(Counters, AddUp) {
  Counters a;
  a.requests[index(RequestKind::Refresh)][index(Outcome::E437)] = 2;
  a.to_peer[index(Transport::Tls)].add(100);
  a.permissions = 3;
  Counters b = a;
  b += a;
  EXPECT_EQ(b.requests[index(RequestKind::Refresh)][index(Outcome::E437)], 4U);
  EXPECT_EQ(b.to_peer[index(Transport::Tls)].packets, 2U);
  EXPECT_EQ(b.to_peer[index(Transport::Tls)].bytes, 200U);
  EXPECT_EQ(b.permissions, 6U);
}

}  // namespace
}  // namespace ts::turn
