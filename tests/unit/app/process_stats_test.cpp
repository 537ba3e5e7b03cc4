// SPDX-License-Identifier: Apache-2.0
// How often the system is asked about the process.
#include "../../../src/app/process_stats.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace ts::app {
namespace {

using namespace std::chrono_literals;

struct Figures : ::testing::Test {
  ProcessSource source() {
    ProcessSource out;
    out.count_open_fds = [this] {
      ++counts;
      time += counting;
      return 100U + counts;
    };
    out.read = [this](std::uint64_t open_fds) {
      ++reads;
      metrics::ProcessStats stats;
      stats.open_fds = open_fds;
      return stats;
    };
    out.clock = [this] { return time; };
    return out;
  }

  std::chrono::steady_clock::time_point time{1h};
  std::chrono::milliseconds counting{0};
  unsigned counts = 0;
  unsigned reads = 0;
  ProcessFigures figures{source()};
};

TEST_F(Figures, AreReadOnceASecondForAll) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(figures.now().open_fds, 101U);
    time += 99ms;
  }
  EXPECT_EQ(reads, 1U);
  time += 10ms;
  EXPECT_EQ(figures.now().open_fds, 102U);
  EXPECT_EQ(reads, 2U);
}

TEST_F(Figures, DescriptorsAreCountedMoreSeldomWhereThatTakesLong) {
  counting = 100ms;
  const auto began = time;
  while (time < began + 60s) {
    figures.now();
    time += 1s;
  }
  EXPECT_LE(counts, 6U) << "the hundredth part of the time";
  EXPECT_GE(counts, 5U);
  EXPECT_GE(reads, 55U) << "the processor's time is of this second";
}

TEST(Descriptors, AreAllCounted) {
  const std::uint64_t before = net::open_descriptors();
  EXPECT_GE(before, 3U);
  const int more = ::dup(1);
  EXPECT_EQ(net::open_descriptors(), before + 1);
  ::close(more);
  EXPECT_EQ(net::open_descriptors(), before);
  EXPECT_EQ(ProcessFigures().now().open_fds, before);
}

}  // namespace
}  // namespace ts::app
