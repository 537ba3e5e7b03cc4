// SPDX-License-Identifier: Apache-2.0
// These tests wait for looks at the files, which come much faster here than in the server.
#include "../../../src/app/file_watch.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>

#include <gtest/gtest.h>

#include "common/temporary_folder.hpp"

namespace ts::app {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kInterval = 20ms;

struct Watching : ::testing::Test {
  void SetUp() override {
    path = folder.path() / "file";
    std::ofstream(path) << "one";
  }
  void TearDown() override { watch.reset(); }
  void start() {
    watch = std::make_unique<FileWatch>(
        context, std::vector<std::string>{path}, [this] { ++changes; }, kInterval);
    watch->start();
  }
  /// How often it was told of changes: the first is waited for, and then as long as a second one would take.
  int told() {
    changes = 0;
    const auto longest = steady_clock::now() + 20s;
    while (changes == 0 && context.run_one_until(longest) != 0) {
    }
    context.run_for(4 * kInterval);
    return changes;
  }

  test::TemporaryFolder folder;
  std::filesystem::path path;
  boost::asio::io_context context;
  std::unique_ptr<FileWatch> watch;
  int changes = 0;
};

TEST_F(Watching, TellsOfEachChangeOnce) {
  start();
  std::ofstream(path) << "two!";
  EXPECT_EQ(told(), 1);
}

// What comes in a mode in which it cannot be read, and is given the right one later, has not changed
// otherwise.
TEST_F(Watching, AFileThatCanBeReadAgainHasChanged) {
  start();
  std::ofstream(path) << "two!";
  std::filesystem::permissions(path, std::filesystem::perms::none);
  EXPECT_EQ(told(), 1);
  std::filesystem::permissions(path, std::filesystem::perms::owner_read);
  EXPECT_EQ(told(), 1);
  std::filesystem::remove(path);
  EXPECT_EQ(told(), 1);
  std::ofstream(path) << "three";
  EXPECT_EQ(told(), 1);
}

// Whoever reads files and then has them watched misses nothing that came in between.
TEST_F(Watching, WhatChangesWhileTheFilesAreReadIsReadOnceMore) {
  start();
  watch->mark();
  std::ofstream(path) << "two!";
  watch->watch({path});
  EXPECT_EQ(told(), 1);
  watch->mark();
  watch->watch({path});
  changes = 0;
  context.run_for(4 * kInterval);
  EXPECT_EQ(changes, 0) << "nothing has come";
  watch->mark();
  watch->watch({path, folder.at("other")});
  EXPECT_EQ(told(), 1) << "nobody has looked at the other one";
}

}  // namespace
}  // namespace ts::app
