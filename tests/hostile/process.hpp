// SPDX-License-Identifier: Apache-2.0
// The server under test: a process of its own, so that its death is seen, with its log, its metrics and its
// /proc.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include <sys/types.h>

#include <turnstone/base/address.hpp>

namespace ts::hostile {

struct Usage {
  std::size_t resident_bytes = 0;
  std::size_t descriptors = 0;
};

class ServerProcess {
 public:
  struct Ports {
    std::uint16_t turn = 0;
    std::uint16_t tls = 0;
    std::uint16_t http = 0;
    std::uint16_t dtls = 0;
  };
  /// Starts `binary serve` with its files in `folder`. Ends this process when that fails.
  ServerProcess(const std::string& binary, const std::string& folder);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const Ports& ports() const { return ports_; }
  bool alive();
  Usage usage() const;
  /// The metrics by name and labels; empty when the server does not answer.
  std::map<std::string, double> metrics() const;
  /// Asks it to stop. What is wrong with its end: exit status, sanitizer reports; empty when nothing is.
  std::string stop();
  std::string log() const;

 private:
  void write_config() const;
  bool wait_until_serving();

  std::string binary_;
  std::string folder_;
  Ports ports_;
  pid_t pid_ = -1;
  int status_ = -1;
};

/// Sum of the samples whose name and labels begin so.
double sum_of(const std::map<std::string, double>& metrics, const std::string& prefix);

}  // namespace ts::hostile
