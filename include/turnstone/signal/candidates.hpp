// SPDX-License-Identifier: Apache-2.0
// What members announce in ICE candidates (RFC 8839 §5.1), read out of the texts that pass, whatever their
// dialect wraps them in; and who wants to know.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <turnstone/base/address.hpp>

namespace ts::signal {

/// Addresses that count of one membership. What it announces beyond them is for nothing.
inline constexpr std::size_t kMaxAnnounced = 64;

/// Adds the addresses of the candidates in a text to `out`, each once, until it holds `most`. The text may be
/// SDP, a candidate, or JSON with either in its strings, to any depth: a candidate line has no byte that JSON
/// writers escape, but `/` in the foundation. Host names (mDNS), zones, related addresses and 0.0.0.0 are
/// passed over; IPv4-mapped addresses are what they lead to.
void read_candidates(std::string_view text, std::size_t most, std::vector<IpAddress>& out);

/// Is told who is in which room, here and at other nodes, and what they announce there. Views are valid
/// during the call.
class CandidateListener {
 public:
  CandidateListener() = default;
  CandidateListener(const CandidateListener&) = delete;
  CandidateListener& operator=(const CandidateListener&) = delete;
  virtual ~CandidateListener() = default;

  virtual void entered(std::string_view room, std::string_view peer) = 0;
  /// These are new.
  virtual void announced(std::string_view room, std::string_view peer,
                         std::span<const IpAddress> addresses) = 0;
  virtual void left(std::string_view room, std::string_view peer) = 0;
};

}  // namespace ts::signal
