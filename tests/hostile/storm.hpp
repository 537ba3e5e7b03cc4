// SPDX-License-Identifier: Apache-2.0
// The attacks, each a function that one thread runs, and what they share.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "answers.hpp"
#include "process.hpp"

namespace ts::hostile {

struct Storm {
  Target target;
  ServerProcess::Ports ports;
  std::uint64_t seed = 1;

  std::atomic<std::uint64_t> udp_messages{0};
  std::atomic<std::uint64_t> tcp_messages{0};
  std::atomic<std::uint64_t> tls_messages{0};
  std::atomic<std::uint64_t> dtls_messages{0};
  std::atomic<std::uint64_t> core_messages{0};
  std::atomic<std::uint64_t> http_requests{0};
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> answers{0};
  std::atomic<std::uint64_t> successes{0};
  std::atomic<std::uint64_t> relayed{0};
  std::atomic<std::uint64_t> echoes{0};
  /// The attacks are over: the witness may end.
  std::atomic<bool> over{false};

  /// What is wrong; nothing but the first few is kept.
  void fail(const std::string& what);
  bool failed() const { return failure_count_ > 0; }
  std::vector<std::string> failures() const;
  std::uint64_t failure_count() const { return failure_count_; }

  /// Counts a right answer, and tells a wrong one.
  void judge(const Answer& answer, ByteView bytes, const char* where);

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> failures_;
  std::atomic<std::uint64_t> failure_count_{0};
};

/// Mutated messages at turn::Server in this process.
void storm_core(Storm& storm, std::uint64_t messages);
/// Mutated datagrams on many five-tuples.
void attack_udp(Storm& storm, unsigned index, std::uint64_t messages);
/// Mutated messages on streams that are cut, merged, left and reset; `tls` inside of TLS.
void attack_streams(Storm& storm, unsigned index, std::uint64_t messages, bool tls);
/// One right message cut in two at each of its bytes.
void split_everywhere(Storm& storm, bool tls);
/// Broken TLS records and handshakes.
void attack_handshakes(Storm& storm, unsigned index, std::uint64_t connections);
/// Mutated messages inside of DTLS, and broken DTLS records.
void attack_dtls(Storm& storm, unsigned index, std::uint64_t messages);
/// Requests that a proxy and a server may read differently, broken upgrades, WebSocket frames.
void attack_http(Storm& storm, unsigned index, std::uint64_t requests);
/// Connections that say nothing until the storm is over.
void attack_with_silence(Storm& storm, unsigned connections);
/// Binding, and an allocation whose echo must come back, all the time.
void witness(Storm& storm);
/// Sends every datagram back to where it came from.
void echo(Storm& storm, int socket);

}  // namespace ts::hostile
