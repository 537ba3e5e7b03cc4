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
  out.close_relays.emplace_back();
  EXPECT_FALSE(out.empty());
  out.clear();
  EXPECT_TRUE(out.empty());
  out.events.emplace_back();
  EXPECT_FALSE(out.empty());
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
