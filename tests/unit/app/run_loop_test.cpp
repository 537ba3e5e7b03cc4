// SPDX-License-Identifier: Apache-2.0
#include "../../../src/app/run_loop.hpp"

#include <csignal>
#include <stdexcept>

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

namespace ts::app {
namespace {

TEST(RunLoop, RunsToItsEnd) {
  boost::asio::io_context context;
  bool ran = false;
  boost::asio::post(context, [&ran] { ran = true; });
  run_loop(context);
  EXPECT_TRUE(ran);
}

// Counted in a release build; here, where a fault aborts, the child dies of it.
TEST(RunLoop, AHandlerThatThrowsIsAFault) {
  boost::asio::io_context context;
  boost::asio::post(context, [] { throw std::runtime_error("what a client sent"); });
  EXPECT_EXIT(run_loop(context), ::testing::KilledBySignal(SIGABRT), "");
}

}  // namespace
}  // namespace ts::app
