// SPDX-License-Identifier: Apache-2.0
// SlotMap, DeadlineQueue, Result and TS_BUG.
#include <cstdio>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/base/check.hpp>
#include <turnstone/base/deadline_queue.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/base/slot_map.hpp>

namespace ts {
namespace {

/// Counts constructions and destructions.
struct Counted {
  static inline int alive = 0;
  static inline int destroyed = 0;
  explicit Counted(int v) : value(v) {
    if (v < 0) throw std::runtime_error("negative");
    ++alive;
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --alive, ++destroyed; }
  int value;
};

TEST(SlotMap, HandlesGoStaleAndStayStale) {
  SlotMap<Counted> map;
  EXPECT_EQ(map.find(SlotHandle{}), nullptr);
  EXPECT_EQ(map.find(SlotHandle{0, 0}), nullptr);
  const auto [first, object] = map.emplace(1);
  EXPECT_EQ(object.value, 1);
  EXPECT_EQ(map.find(first), &object);
  EXPECT_EQ(std::as_const(map).find(first), &object);
  EXPECT_EQ(map.find(SlotHandle{first.index, first.generation + 1}), nullptr);
  EXPECT_EQ(map.find(SlotHandle{first.index + 1, first.generation}), nullptr);
  EXPECT_TRUE(map.erase(first));
  EXPECT_EQ(map.find(first), nullptr);
  EXPECT_FALSE(map.erase(first));
  // The slot is used again under another name.
  const auto [second, other] = map.emplace(2);
  EXPECT_EQ(second.index, first.index);
  EXPECT_NE(second, first);
  EXPECT_EQ(map.find(first), nullptr);
  EXPECT_FALSE(map.erase(first));
  EXPECT_EQ(map.find(second), &other);
  EXPECT_EQ(map.size(), 1U);
}

TEST(SlotMap, AddressesAreStableWhileItGrows) {
  SlotMap<std::string> map;
  std::vector<std::pair<SlotHandle, std::string*>> all;
  for (int i = 0; i < 1'000; ++i) {
    const auto [handle, object] = map.emplace(std::to_string(i));
    all.emplace_back(handle, &object);
  }
  EXPECT_EQ(map.size(), 1'000U);
  EXPECT_GE(map.capacity(), 1'000U);
  EXPECT_LT(map.capacity(), 1'000U + 64U) << "memory grows by a chunk";
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(map.find(all[i].first), all[i].second);
    EXPECT_EQ(*all[i].second, std::to_string(i));
  }
}

TEST(SlotMap, EveryObjectIsDestroyedOnce) {
  Counted::alive = Counted::destroyed = 0;
  {
    SlotMap<Counted> map;
    std::vector<SlotHandle> handles;
    for (int i = 0; i < 200; ++i) handles.push_back(map.emplace(i).first);
    for (std::size_t i = 0; i < handles.size(); i += 3) EXPECT_TRUE(map.erase(handles[i]));
    EXPECT_EQ(Counted::alive, 133);
    EXPECT_EQ(map.size(), 133U);
  }
  EXPECT_EQ(Counted::alive, 0);
  EXPECT_EQ(Counted::destroyed, 200);
}

TEST(SlotMap, AConstructorThatThrowsLeavesTheMapAsItWas) {
  Counted::alive = 0;
  SlotMap<Counted> map;
  const SlotHandle before = map.emplace(1).first;
  EXPECT_THROW(map.emplace(-1), std::runtime_error);
  EXPECT_EQ(map.size(), 1U);
  EXPECT_EQ(Counted::alive, 1);
  EXPECT_EQ(map.find(before)->value, 1);
  EXPECT_EQ(map.find(map.emplace(2).first)->value, 2);
}

TEST(SlotMap, ForEachMayEraseWhatItIsGiven) {
  SlotMap<Counted> map;
  for (int i = 0; i < 150; ++i) map.emplace(i);
  int seen = 0;
  map.for_each([&](SlotHandle handle, Counted& object) {
    ++seen;
    EXPECT_EQ(map.find(handle), &object);
    if (object.value % 2 == 0) {
      EXPECT_TRUE(map.erase(handle));
    }
  });
  EXPECT_EQ(seen, 150);
  EXPECT_EQ(map.size(), 75U);
  map.for_each([](SlotHandle, Counted& object) { EXPECT_EQ(object.value % 2, 1); });
}

TEST(SlotMap, BehavesAsAMapUnderARandomScript) {
  struct alignas(32) Wide {
    explicit Wide(unsigned v) : value(v) {}
    unsigned value;
  };
  SlotMap<Wide> map;
  std::map<std::uint64_t, unsigned> model;
  std::vector<SlotHandle> dead;
  std::vector<SlotHandle> live;
  std::mt19937 random(7);  // NOLINT: a fixed seed
  for (unsigned step = 0; step < 20'000; ++step) {
    if (live.empty() || random() % 5 < 3) {
      const auto [handle, object] = map.emplace(step);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&object) % alignof(Wide), 0U);
      const std::uint64_t name = (std::uint64_t{handle.index} << 32) | handle.generation;
      ASSERT_TRUE(model.emplace(name, step).second) << "a handle was used twice";
      live.push_back(handle);
    } else {
      const std::size_t pick = random() % live.size();
      ASSERT_TRUE(map.erase(live[pick]));
      dead.push_back(live[pick]);
      live[pick] = live.back();
      live.pop_back();
    }
  }
  EXPECT_EQ(map.size(), live.size());
  for (const SlotHandle handle : dead) ASSERT_EQ(map.find(handle), nullptr);
  for (const SlotHandle handle : live) {
    const Wide* object = map.find(handle);
    ASSERT_NE(object, nullptr);
    EXPECT_EQ(object->value, model.at((std::uint64_t{handle.index} << 32) | handle.generation));
  }
}

TimePoint at(int seconds) { return TimePoint(std::chrono::seconds(seconds)); }

TEST(DeadlineQueue, PopsInOrderOfTimeAndOnlyWhatIsDue) {
  DeadlineQueue<int> queue;
  EXPECT_FALSE(queue.next().has_value());
  EXPECT_FALSE(queue.pop_due(at(1'000)).has_value());
  for (const int seconds : {30, 10, 20, 10, 40}) queue.push(at(seconds), seconds);
  EXPECT_EQ(queue.size(), 5U);
  EXPECT_EQ(queue.next(), at(10));
  EXPECT_FALSE(queue.pop_due(at(10) - std::chrono::nanoseconds(1)).has_value());
  EXPECT_EQ(queue.pop_due(at(10)), 10) << "due at its very time";
  EXPECT_EQ(queue.pop_due(at(10)), 10) << "duplicates are kept";
  EXPECT_FALSE(queue.pop_due(at(10)).has_value());
  EXPECT_EQ(queue.next(), at(20));
  EXPECT_EQ(queue.pop_due(at(35)), 20);
  EXPECT_EQ(queue.pop_due(at(35)), 30);
  EXPECT_FALSE(queue.pop_due(at(35)).has_value());
  EXPECT_EQ(queue.size(), 1U);
}

TEST(DeadlineQueue, SortsAnyScript) {
  DeadlineQueue<int> queue;
  std::mt19937 random(11);  // NOLINT: a fixed seed
  for (int i = 0; i < 2'000; ++i) {
    const int seconds = static_cast<int>(random() % 500) - 250;
    queue.push(at(seconds), seconds);
  }
  int last = -1'000;
  for (int i = 0; i < 2'000; ++i) {
    const auto next = queue.next();
    const auto id = queue.pop_due(at(500));
    ASSERT_TRUE(id.has_value());
    ASSERT_GE(*id, last);
    ASSERT_EQ(next, at(*id));
    last = *id;
  }
  EXPECT_EQ(queue.size(), 0U);
}

TEST(Result, HoldsAValueOrAReason) {
  enum class Why { Bad };
  const auto make = [](bool good) -> Result<std::string, Why> {
    if (good) return std::string("value");
    return Why::Bad;
  };
  EXPECT_TRUE(make(true).has_value());
  EXPECT_EQ(*make(true), "value");
  EXPECT_TRUE(make(false).has_error());
  EXPECT_EQ(make(false).error(), Why::Bad);
}

const char* g_reported = nullptr;

TEST(Bug, TheHandlerIsToldAndDebugBuildsAbort) {
  const BugHandler former = set_bug_handler([](const char* what, const char*, int) noexcept {
    g_reported = what;
    std::fputs(what, stderr);
  });
#ifdef NDEBUG
  TS_BUG("impossible");
  EXPECT_STREQ(g_reported, "impossible");
#else
  EXPECT_DEATH(TS_BUG("impossible"), "impossible");
#endif
  const BugHandler mine = set_bug_handler(former);
  EXPECT_NE(mine, nullptr);
}

}  // namespace
}  // namespace ts
