// SPDX-License-Identifier: Apache-2.0
#include "server_process.hpp"

#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/resource.h>

#include "spawn_self.hpp"

namespace ts::shell_test {
namespace {

constexpr int kEnd = 0;  // its standard input, whose end is the sign to go
constexpr const char* kDescriptors = "TS_TEST_DESCRIPTORS";
constexpr const char* kThreads = "TS_TEST_THREADS";
constexpr const char* kReport = "TS_TEST_REPORT";

unsigned number(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? 0 : static_cast<unsigned>(std::strtoul(value, nullptr, 10));
}

void tell(int descriptor, const std::string& line) {
  const std::string text = line + '\n';
  EXPECT_EQ(::write(descriptor, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

TEST(ServerProcess, DISABLED_Main) {
  if (std::getenv(kReport) == nullptr) GTEST_SKIP() << "started by other tests";
  const int report = static_cast<int>(number(kReport));
  const rlimit limit{number(kDescriptors), number(kDescriptors)};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  std::signal(SIGPIPE, SIG_IGN);
  config::Config config = loopback_config(number(kThreads));
  config.net.bind = {*IpAddress::parse("127.0.0.1")};
  app::log::set_up(config.log);
  auto made = app::Runtime::make(std::move(config));
  if (!made.runtime) {
    std::string all = "problem";
    for (const std::string& problem : made.problems) all += ' ' + problem;
    return tell(report, all);
  }
  made.runtime->start();
  const auto ports = made.runtime->ports();
  tell(report, "ports " + std::to_string(ports.turn) + ' ' + std::to_string(ports.tls) + ' ' +
                   std::to_string(ports.http));
  char byte = 0;
  while (::read(kEnd, &byte, 1) > 0) {
  }
}

}  // namespace

ServerProcess::ServerProcess(unsigned descriptors, unsigned threads) {
  int to_child[2];
  int from_child[2];
  if (::pipe2(to_child, O_CLOEXEC) != 0 || ::pipe2(from_child, O_CLOEXEC) != 0) std::abort();
  constexpr int kReportDescriptor = 3;
  const std::string report = std::string(kReport) + '=' + std::to_string(kReportDescriptor);
  const std::string most = std::string(kDescriptors) + '=' + std::to_string(descriptors);
  const std::string shards = std::string(kThreads) + '=' + std::to_string(threads);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, to_child[0], kEnd);
  ::posix_spawn_file_actions_adddup2(&actions, from_child[1], kReportDescriptor);
  pid_ = spawn_self("ServerProcess.DISABLED_Main", {report, most, shards}, actions);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(to_child[0]);
  ::close(from_child[1]);
  end_ = to_child[1];
  std::string line;
  for (char byte = 0; ::read(from_child[0], &byte, 1) == 1 && byte != '\n';) line += byte;
  ::close(from_child[0]);
  std::istringstream words_of(line);
  std::string first;
  words_of >> first;
  if (first == "ports" && words_of >> turn_ >> tls_ >> http_) return;
  problem_ = line.empty() ? "no report" : line;
}

ServerProcess::~ServerProcess() {
  ::close(end_);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the server process ended with " << status;
}

double ServerProcess::cpu_seconds() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream rest(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) rest >> skipped;
  double user = 0;
  double system = 0;
  rest >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace ts::shell_test
