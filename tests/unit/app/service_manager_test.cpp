// SPDX-License-Identifier: Apache-2.0
// What systemd is told: sd_notify(3)'s datagrams, over a socket of the test's.
#include "../../../src/app/service_manager.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace ts::app {
namespace {

using namespace std::chrono_literals;

/// The manager's end of the socket.
class Ear {
 public:
  explicit Ear(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    good_ = ::bind(socket_, reinterpret_cast<const sockaddr*>(&address), length) == 0;
  }
  Ear(const Ear&) = delete;
  Ear& operator=(const Ear&) = delete;
  ~Ear() { ::close(socket_); }

  bool good() const { return good_; }
  /// What was heard; empty: nothing.
  std::string heard() const {
    char text[256];
    const ssize_t size = ::recv(socket_, text, sizeof text, MSG_DONTWAIT);
    return size <= 0 ? std::string() : std::string(text, static_cast<std::size_t>(size));
  }

 private:
  int socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool good_ = false;
};

std::string abstract_name() { return "@turnstone-test-" + std::to_string(::getpid()); }

TEST(ServiceManager, IsToldOverAPathOrAnAbstractName) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("turnstone-notify-" + std::to_string(::getpid()))).string();
  for (const std::string& name : {path, abstract_name()}) {
    const Ear ear(name);
    ASSERT_TRUE(ear.good()) << name;
    ServiceManager(name).tell("READY=1");
    EXPECT_EQ(ear.heard(), "READY=1");
    EXPECT_EQ(ear.heard(), "");
  }
  ::unlink(path.c_str());
}

// Nobody listens, or nobody could: nothing happens.
TEST(ServiceManager, IsNoneWithoutASocket) {
  for (const std::string& name : {std::string(), std::string("/nonexistent/socket"), std::string(500, 'x')})
    ServiceManager(name).tell("READY=1");
}

// A server under load may have no file descriptor left; it lives all the same.
TEST(ServiceManager, IsToldWithoutAnotherDescriptor) {
  const Ear ear(abstract_name());
  ServiceManager first(abstract_name());
  const ServiceManager manager(std::move(first));
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  manager.tell("READY=1");
  manager.tell_alive();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(ear.heard(), "READY=1");
  EXPECT_EQ(ear.heard(), "WATCHDOG=1");
}

// A manager that reads nothing: signs of life are lost, and what else it is told is given up after a second.
TEST(ServiceManager, DoesNotHoldUpWhoTellsIt) {
  using std::chrono::steady_clock;
  const Ear ear(abstract_name());
  const ServiceManager manager(abstract_name());
  const auto start = steady_clock::now();
  constexpr int kMoreThanItsQueue = 5000;
  for (int i = 0; i < kMoreThanItsQueue; ++i) manager.tell_alive();
  manager.tell("STOPPING=1");
  EXPECT_LT(steady_clock::now() - start, 20s);
}

struct WatchdogCase {
  const char* microseconds;
  std::string process;
  bool waits;
};
TEST(ServiceManager, EnvironmentIsReadAndTakenAway) {
  const std::string own = std::to_string(::getpid());
  const WatchdogCase table[] = {{"30000000", own, true},  {"30000000", "", true},
                                {"30000000", "1", false}, {"0", own, false},
                                {"soon", own, false},     {"", "", false},
                                {"-5", own, false},       {"99999999999999999999", own, false}};
  for (const WatchdogCase& c : table) {
    SCOPED_TRACE(c.microseconds);
    const Ear ear(abstract_name());
    ::setenv("NOTIFY_SOCKET", abstract_name().c_str(), 1);
    ::setenv("WATCHDOG_USEC", c.microseconds, 1);
    ::setenv("WATCHDOG_PID", c.process.c_str(), 1);
    const ServiceManager manager = ServiceManager::from_environment();
    EXPECT_EQ(manager.watchdog().has_value(), c.waits);
    if (c.waits) {
      EXPECT_EQ(*manager.watchdog(), 30s);
    }
    manager.tell("STOPPING=1");
    EXPECT_EQ(ear.heard(), "STOPPING=1");
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
      EXPECT_EQ(std::getenv(name), nullptr);
  }
}

// A sign of life goes out only when the threads have answered.
TEST(Heartbeat, BeatsWhileEverybodyAnswers) {
  const Ear ear(abstract_name());
  ::setenv("NOTIFY_SOCKET", abstract_name().c_str(), 1);
  ::setenv("WATCHDOG_USEC", "30000", 1);
  const ServiceManager manager = ServiceManager::from_environment();
  boost::asio::io_context context;
  bool answers = true;
  int asked = 0;
  Heartbeat heartbeat(context, manager, [&](const std::function<void()>& alive) {
    ++asked;
    if (answers) alive();
  });
  heartbeat.start();
  while (asked < 2) context.run_one();
  EXPECT_EQ(ear.heard(), "WATCHDOG=1");
  EXPECT_EQ(ear.heard(), "WATCHDOG=1");
  answers = false;
  while (asked < 4) context.run_one();
  EXPECT_EQ(ear.heard(), "");
}

TEST(Heartbeat, NeedsAManagerThatWaits) {
  const ServiceManager manager("");
  boost::asio::io_context context;
  Heartbeat heartbeat(context, manager, [](const std::function<void()>&) { FAIL(); });
  heartbeat.start();
  EXPECT_EQ(context.run(), 0U);
}

}  // namespace
}  // namespace ts::app
