// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <turnstone/turn/source_limiter.hpp>

namespace ts::turn {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

IpAddress ip(const std::string& text) { return IpAddress::parse(text).value(); }
constexpr TimePoint kStart{seconds(1000)};

int admitted(SourceLimiter& limiter, const IpAddress& source, TimePoint now, int asked) {
  int count = 0;
  for (int i = 0; i < asked; ++i) count += limiter.admit(source, now) ? 1 : 0;
  return count;
}

TEST(SourceLimiter, ABurstOfTwiceTheRateThenTheRate) {
  SourceLimiter limiter(100, 7);
  const IpAddress source = ip("192.0.2.1");
  EXPECT_EQ(admitted(limiter, source, kStart, 1000), 200);
  EXPECT_EQ(admitted(limiter, source, kStart + milliseconds(10), 1000), 1);
  EXPECT_EQ(admitted(limiter, source, kStart + milliseconds(510), 1000), 50);
  EXPECT_EQ(admitted(limiter, source, kStart + seconds(3600), 1000), 200);
}

TEST(SourceLimiter, OneASecondAndTheHighestRate) {
  SourceLimiter slow(1, 7);
  EXPECT_EQ(admitted(slow, ip("192.0.2.1"), kStart, 10), 2);
  EXPECT_EQ(admitted(slow, ip("192.0.2.1"), kStart + seconds(1), 10), 1);
  SourceLimiter fast(0xFFFFFFFF, 7);
  EXPECT_EQ(admitted(fast, ip("192.0.2.1"), kStart, 10'000), 10'000);
}

TEST(SourceLimiter, ZeroIsNoLimit) {
  SourceLimiter limiter(0, 7);
  EXPECT_EQ(admitted(limiter, ip("192.0.2.1"), kStart, 100'000), 100'000);
}

TEST(SourceLimiter, LoopbackIsExempt) {
  SourceLimiter limiter(1, 7);
  for (const char* text : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_EQ(admitted(limiter, ip(text), kStart, 1000), 1000) << text;
  }
  for (const char* text : {"128.0.0.1", "126.255.255.255", "::2", "1::1"}) {
    EXPECT_EQ(admitted(limiter, ip(text), kStart, 1000), 2) << text;
  }
}

TEST(SourceLimiter, ASixtyFourIsOneSourceAndAnAddressIsOne) {
  SourceLimiter limiter(1, 7);
  EXPECT_EQ(admitted(limiter, ip("2001:db8:1:2::1"), kStart, 10), 2);
  EXPECT_EQ(admitted(limiter, ip("2001:db8:1:2:ffff:ffff:ffff:ffff"), kStart, 10), 0);
  EXPECT_EQ(admitted(limiter, ip("2001:db8:1:3::1"), kStart, 10), 2);
  EXPECT_EQ(admitted(limiter, ip("192.0.2.1"), kStart, 10), 2);
  EXPECT_EQ(admitted(limiter, ip("::ffff:192.0.2.1"), kStart, 10), 0) << "the same host";
  EXPECT_EQ(admitted(limiter, ip("192.0.2.2"), kStart, 10), 2);
}

TEST(SourceLimiter, AGreedySourceStarvesAboutOneIn4096) {
  for (const std::uint64_t seed : {1ULL, 0x123456789ABCDEFULL, ~0ULL}) {
    SourceLimiter limiter(1, seed);
    admitted(limiter, ip("192.0.2.1"), kStart, 100);
    int starved = 0;
    for (std::uint32_t i = 0; i < 20'000; ++i) {
      const std::uint8_t b = static_cast<std::uint8_t>(i >> 8);
      const std::uint8_t c = static_cast<std::uint8_t>(i);
      SourceLimiter copy = limiter;
      starved += copy.admit(IpAddress::v4(10, 0, b, c), kStart) ? 0 : 1;
      if (i >= 2000) break;  // a copy costs 32 KiB
    }
    EXPECT_LT(starved, 8);
  }
}

TEST(SourceLimiter, WhichSourcesShareABucketIsTheSeedsSecret) {
  // The first source that a greedy one starves differs by seed.
  const auto victim = [](std::uint64_t seed) {
    SourceLimiter limiter(1, seed);
    admitted(limiter, ip("192.0.2.1"), kStart, 100);
    for (std::uint32_t i = 0; i < 1'000'000; ++i) {
      const auto source = IpAddress::v4(10, static_cast<std::uint8_t>(i >> 16),
                                        static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i));
      if (!limiter.admit(source, kStart)) return source.to_string();
      if (i % 1000 == 999) {
        limiter = SourceLimiter(1, seed);
        admitted(limiter, ip("192.0.2.1"), kStart, 100);
      }
    }
    return std::string();
  };
  EXPECT_NE(victim(1), victim(2));
}

}  // namespace
}  // namespace ts::turn
