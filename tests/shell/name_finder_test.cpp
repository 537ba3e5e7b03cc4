// SPDX-License-Identifier: Apache-2.0
// Names that the system looks up for longer than anybody wants to wait: getaddrinfo() itself hangs, as it
// does when no name server answers.
#include "../../src/net/name_finder.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <turnstone/base/http_url.hpp>
#include <turnstone/net/forwarder.hpp>
#include <turnstone/net/http_caller.hpp>
#include <turnstone/net/redis_bus.hpp>

namespace ts::net::name_test {

using namespace std::chrono_literals;

/// Look-ups of names under hangs.test, which all end at once when the test says so.
class HangingNames {
 public:
  static HangingNames& get() {
    static HangingNames one;
    return one;
  }
  void hang() {
    std::unique_lock lock(mutex_);
    ++asked_, ++inside_;
    changed_.wait(lock, [this] { return released_; });
    --inside_;
    changed_.notify_all();
  }
  void begin() {
    const std::lock_guard lock(mutex_);
    released_ = false;
    asked_ = 0;
  }
  /// Nobody is inside any more.
  void release() {
    std::unique_lock lock(mutex_);
    released_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return inside_ == 0; });
  }
  int asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int asked_ = 0;
  int inside_ = 0;
  bool released_ = true;
};

}  // namespace ts::net::name_test

/// In the place of the C library's, for this whole program.
extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* wanted, addrinfo** out) {
  if (name != nullptr && std::string_view(name).ends_with(".hangs.test")) {
    ts::net::name_test::HangingNames::get().hang();
    return EAI_NONAME;
  }
  using Real = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto real = reinterpret_cast<Real>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return real(name, service, wanted, out);
}

namespace ts::net::name_test {
namespace {

using boost::system::error_code;
using Clock = std::chrono::steady_clock;

class HangingName : public ::testing::Test {
 protected:
  void SetUp() override { HangingNames::get().begin(); }
  void TearDown() override { HangingNames::get().release(); }

  void run_until_asked() {
    for (int i = 0; i < 500 && HangingNames::get().asked() == 0; ++i) context_->run_for(10ms);
    ASSERT_EQ(HangingNames::get().asked(), 1);
  }
  /// The loop comes to its end and goes, while the name is still being looked up.
  void expect_rest() {
    std::mutex mutex;
    std::condition_variable changed;
    bool at_rest = false;
    // So that a loop that does wait fails and does not hang.
    std::thread late([&] {
      std::unique_lock lock(mutex);
      if (!changed.wait_for(lock, 5s, [&] { return at_rest; })) HangingNames::get().release();
    });
    const auto start = Clock::now();
    context_->restart();
    context_->run();
    context_.reset();
    EXPECT_LT(Clock::now() - start, 2s);
    {
      const std::lock_guard lock(mutex);
      at_rest = true;
    }
    changed.notify_all();
    late.join();
  }
  std::unique_ptr<HttpCaller> caller(std::chrono::milliseconds timeout) {
    HttpCallOptions options;
    options.url = *HttpUrl::parse("http://hook.hangs.test/turn");
    options.timeout = timeout;
    auto made = HttpCaller::make(*context_, std::move(options));
    EXPECT_TRUE(made);
    return std::move(*made);
  }
  /// Ends with what it has found; the flag and the wait must live until then.
  void find(NameFinder& finder, std::string name, NameWait& wait, error_code& error, bool& done) {
    auto run = [&finder, name = std::move(name), &wait, &error, &done]() -> boost::asio::awaitable<void> {
      NameFinder::Endpoints found;
      error = co_await finder.find(name, 80, wait, found);
      for (const auto& endpoint : found) EXPECT_EQ(endpoint.port(), 80);
      EXPECT_EQ(found.empty(), error.failed());
      done = true;
    };
    boost::asio::co_spawn(*context_, std::move(run), boost::asio::detached);
  }

  std::unique_ptr<boost::asio::io_context> context_ = std::make_unique<boost::asio::io_context>(1);
};

TEST_F(HangingName, DoesNotHoldUpTheEndOfAHook) {
  auto hook = caller(60s);
  bool told = false;
  hook->post("{}", {}, [&](const HttpReply&) { told = true; });
  run_until_asked();
  hook.reset();
  expect_rest();
  EXPECT_FALSE(told);
}

TEST_F(HangingName, DoesNotHoldUpTheEndOfABus) {
  signal::ClusterOptions options;
  options.redis_url = "redis://redis.hangs.test:6379";
  auto bus = RedisBus::make(*context_, options, {"all"}, 1000, {});
  ASSERT_TRUE(bus);
  (*bus)->start();
  run_until_asked();
  (*bus).reset();
  expect_rest();
}

TEST_F(HangingName, IsLookedUpOnceForAllWhoAskAndNobodyWaitsTooLong) {
  auto hook = caller(50ms);
  int late = 0;
  for (int i = 0; i < 12; ++i) {
    hook->post("{}", {},
               [&](const HttpReply& reply) { late += reply.kind == HttpReply::Kind::TimedOut ? 1 : 0; });
    context_->restart();
    context_->run_for(i % 4 == 3 ? 100ms : 1ms);
  }
  for (int i = 0; i < 100 && late < 12; ++i) {
    context_->restart();
    context_->run_for(10ms);
  }
  EXPECT_EQ(late, 12);
  EXPECT_EQ(HangingNames::get().asked(), 1) << "no thread for each";
  hook.reset();
  expect_rest();
}

TEST_F(HangingName, WhoGoesLeavesTheOthers) {
  NameFinder finder(*context_);
  NameWait goes(*context_);
  NameWait stays(*context_);
  error_code of_goes;
  error_code of_stays;
  bool gone = false;
  bool done = false;
  find(finder, "a.hangs.test", goes, of_goes, gone);
  find(finder, "a.hangs.test", stays, of_stays, done);
  run_until_asked();
  goes.cancel();
  context_->restart();
  context_->run_for(20ms);
  EXPECT_TRUE(gone);
  EXPECT_EQ(of_goes, boost::asio::error::operation_aborted);
  EXPECT_FALSE(done);
  HangingNames::get().release();
  context_->restart();
  context_->run_for(5s);
  EXPECT_TRUE(done);
  EXPECT_EQ(of_stays, boost::asio::error::host_not_found);
}

TEST_F(HangingName, OthersAreFoundMeanwhile) {
  NameFinder finder(*context_);
  NameWait hangs(*context_);
  NameWait local(*context_);
  NameWait number(*context_);
  error_code error[3];
  bool done[3] = {};
  find(finder, "a.hangs.test", hangs, error[0], done[0]);
  run_until_asked();
  find(finder, "localhost", local, error[1], done[1]);
  find(finder, "::1", number, error[2], done[2]);
  for (int i = 0; i < 500 && !(done[1] && done[2]); ++i) {
    context_->restart();
    context_->run_for(10ms);
  }
  EXPECT_TRUE(done[1] && !error[1]) << error[1].message();
  EXPECT_TRUE(done[2] && !error[2]);
  EXPECT_FALSE(done[0]);
  finder.stop();
  context_->restart();
  context_->run_for(5s);
  EXPECT_TRUE(done[0]);
  EXPECT_EQ(error[0], boost::asio::error::operation_aborted);
}

}  // namespace
}  // namespace ts::net::name_test
