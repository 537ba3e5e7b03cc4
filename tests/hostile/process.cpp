// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sockets.hpp"

extern char** environ;

namespace ts::hostile {

namespace {

using namespace std::chrono_literals;

const Endpoint kAny = Endpoint::parse("127.0.0.1:0").value();

/// A port that neither TCP nor UDP uses on 127.0.0.1.
std::uint16_t free_port() {
  for (int i = 0; i < 100; ++i) {
    const load::Fd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    load::SocketAddress any(kAny);
    if (bind(tcp.get(), any.get(), any.size) != 0) continue;
    const Endpoint at = load::local_endpoint(tcp);
    const load::Fd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    load::SocketAddress same(at);
    if (bind(udp.get(), same.get(), same.size) == 0) return at.port;
  }
  load::die("no free port");
}

}  // namespace

ServerProcess::ServerProcess(const std::string& binary, const std::string& folder)
    : binary_(binary), folder_(folder), ports_{free_port(), free_port(), free_port(), free_port()} {
  write_config();
  // A small quarantine: what was freed is to be seen in the resident memory.
  const char* given = std::getenv("ASAN_OPTIONS");
  const std::string options =
      std::string(given != nullptr ? given : "detect_leaks=1") + ":quarantine_size_mb=8";
  setenv("ASAN_OPTIONS", options.c_str(), 1);
  setenv("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1", 0);
  const std::string config = folder_ + "/turnstone.yaml";
  const char* const arguments[] = {binary_.c_str(), "serve", "--config", config.c_str(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string log_path = folder_ + "/server.log";
  posix_spawn_file_actions_addopen(&actions, 1, log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND,
                                   0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const int failed =
      posix_spawn(&pid_, binary_.c_str(), &actions, nullptr, const_cast<char* const*>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  errno = failed;
  if (failed != 0) load::die(binary_.c_str());
  if (!wait_until_serving()) {
    std::fprintf(stderr, "the server did not start:\n%s\n", log().c_str());
    std::exit(EXIT_FAILURE);
  }
}

ServerProcess::~ServerProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, &status_, 0);
}

void ServerProcess::write_config() const {
  std::ofstream out(folder_ + "/turnstone.yaml");
  out << "listen:\n  bind: [127.0.0.1]\n  port: " << ports_.turn << "\n  tls_port: " << ports_.tls
      << "\n  dtls_port: " << ports_.dtls << "\n  http_port: " << ports_.http
      << "\n  tls_self_signed: true\n  threads: 2\n  handshake_timeout: 3s\n  stream_idle_timeout: 10s\n"
      << "auth:\n  realm: hostile.example\n  users: [\"alice:wonder\", \"bob:builder\"]\n  secrets: [north]\n"
      << "relay:\n  addresses: [127.0.0.1]\n  ports: 20000-31999\n  allow_peers: [127.0.0.0/8]\n"
      << "  default_lifetime: 1m\n  max_lifetime: 1m\n  mobility: true\n"
      << "signaling:\n  open: true\nshutdown:\n  drain_timeout: 0s\nlog:\n  level: info\n";
}

bool ServerProcess::wait_until_serving() {
  for (int i = 0; i < 600 && alive(); ++i) {
    if (!metrics().empty()) {
      // A server that has no DTLS yet does not say that it listens there.
      if (log().find("dtls") == std::string::npos) ports_.dtls = 0;
      return true;
    }
    std::this_thread::sleep_for(100ms);
  }
  return false;
}

bool ServerProcess::alive() {
  if (pid_ > 0 && waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
  return pid_ > 0;
}

Usage ServerProcess::usage() const {
  Usage out;
  if (pid_ <= 0) return out;
  const std::string proc = "/proc/" + std::to_string(pid_);
  std::ifstream statm(proc + "/statm");
  std::size_t whole = 0;
  statm >> whole >> out.resident_bytes;
  out.resident_bytes *= static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::error_code error;
  for (std::filesystem::directory_iterator at(proc + "/fd", error), end; !error && at != end;
       at.increment(error)) {
    ++out.descriptors;
  }
  return out;
}

std::map<std::string, double> ServerProcess::metrics() const {
  std::map<std::string, double> out;
  const load::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{5, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  load::SocketAddress to(Endpoint{kAny.address, ports_.http});
  if (connect(socket.get(), to.get(), to.size) != 0) return out;
  static constexpr std::string_view kRequest =
      "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  if (send(socket.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) return out;
  std::string text;
  char buffer[16'384];
  for (ssize_t n; (n = recv(socket.get(), buffer, sizeof buffer, 0)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto space = line.rfind(' ');
    if (line.empty() || line[0] == '#' || space == std::string::npos || !line.starts_with("turnstone_"))
      continue;
    out[line.substr(0, space)] = std::strtod(line.c_str() + space + 1, nullptr);
  }
  return out;
}

std::string ServerProcess::stop() {
  if (alive()) kill(pid_, SIGTERM);
  for (int i = 0; i < 300 && alive(); ++i) std::this_thread::sleep_for(100ms);
  std::string wrong;
  if (pid_ > 0) {
    wrong = "the server does not stop; ";
  } else if (!WIFEXITED(status_) || WEXITSTATUS(status_) != 0) {
    wrong = "the server ended with " +
            (WIFSIGNALED(status_) ? "signal " + std::to_string(WTERMSIG(status_))
                                  : "exit status " + std::to_string(WEXITSTATUS(status_))) +
            "; ";
  }
  const std::string text = log();
  for (const char* sign : {"Sanitizer", "runtime error:", "terminate called"}) {
    if (text.find(sign) != std::string::npos) wrong += std::string("its log says \"") + sign + "\"; ";
  }
  return wrong;
}

std::string ServerProcess::log() const {
  std::ifstream in(folder_ + "/server.log");
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

double sum_of(const std::map<std::string, double>& metrics, const std::string& prefix) {
  double out = 0;
  for (auto at = metrics.lower_bound(prefix); at != metrics.end() && at->first.starts_with(prefix); ++at) {
    out += at->second;
  }
  return out;
}

}  // namespace ts::hostile
