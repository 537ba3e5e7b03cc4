// SPDX-License-Identifier: Apache-2.0
// The whole server in a process of its own, with its own limit of descriptors: this program again, as a test
// that is only run when asked for by name (server_process.cpp).
#pragma once

#include <string>

#include <sys/wait.h>

#include "turn_client.hpp"

namespace ts::shell_test {

class ServerProcess {
 public:
  ServerProcess(unsigned descriptors, unsigned threads);
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess();

  /// What start-up complained about; empty when it serves.
  const std::string& problem() const { return problem_; }
  Endpoint turn() const { return at("127.0.0.1", turn_); }
  Endpoint tls() const { return at("127.0.0.1", tls_); }
  Endpoint http() const { return at("127.0.0.1", http_); }
  std::string metrics() const { return Wire(http(), {}).get("/metrics"); }
  /// What it has used of the processor so far.
  double cpu_seconds() const;

 private:
  pid_t pid_ = -1;
  int end_ = -1;  // closed to end it
  std::string problem_;
  std::uint16_t turn_ = 0;
  std::uint16_t tls_ = 0;
  std::uint16_t http_ = 0;
};

}  // namespace ts::shell_test
