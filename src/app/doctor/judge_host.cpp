// SPDX-License-Identifier: Apache-2.0
// The judges of certificate, buffers, limits, engines, clock and the running server.
#include <algorithm>

#include <turnstone/net/descriptors.hpp>
#include <turnstone/net/udp_choice.hpp>

#include "judges.hpp"

namespace ts::app::doctor {
namespace {

constexpr const char* kCertificate = "certificate";
constexpr const char* kEngine = "engine";
constexpr std::chrono::hours kSoon{24 * 14};
/// 2025-01-01: this program is younger than that.
constexpr std::int64_t kProgramIsYounger = 1'735'689'600;
/// Below this a server with one thread hardly starts.
constexpr std::uint64_t kFewDescriptors = 256;

std::string joined(const std::vector<std::string>& all) {
  std::string out;
  for (const std::string& one : all) out += (out.empty() ? "" : ", ") + one;
  return out;
}

std::string days(std::chrono::seconds left) {
  const auto count = std::chrono::duration_cast<std::chrono::hours>(left).count() / 24;
  return std::to_string(count) + (count == 1 ? " day" : " days");
}

void judge_time_left(const CertificateFacts& facts, Findings& out) {
  const std::string remedy = "Renew it; the server takes over the new files by itself.";
  if (facts.left.count() <= 0) {
    out.push_back({kCertificate, Verdict::Fault, "it expired on " + facts.until, "a valid one", remedy});
  } else if (facts.left < kSoon) {
    out.push_back({kCertificate, Verdict::Warning,
                   "it expires in " + days(facts.left) + ", on " + facts.until, "14 days or more", remedy});
  }
}

void judge_names_of(const CertificateFacts& facts, Findings& out) {
  for (const auto& [name, matches] : facts.asked) {
    if (matches) continue;
    out.push_back({kCertificate, Verdict::Fault,
                   "clients are told " + name + ", and it is for " +
                       (facts.names.empty() ? "no name" : joined(facts.names)),
                   "a certificate for " + name,
                   "Ask for one with that name, or correct signaling.ice_urls."});
  }
}

void judge_key(const CertificateFacts& facts, Findings& out) {
  constexpr unsigned kOthers = 0007;
  if (!facts.key_matches) {
    out.push_back({kCertificate, Verdict::Fault, "listen.tls_key_file is the key of another certificate",
                   "the key that it was made with", "Name the files of one and the same certificate."});
  }
  if ((facts.key_mode & kOthers) != 0) {
    out.push_back({kCertificate, Verdict::Warning, "everybody on this host may read the key",
                   "a key for the server's user alone", "chmod o= on the file of listen.tls_key_file."});
  }
  if (!facts.user_without_key.empty()) {
    out.push_back({kCertificate, Verdict::Warning,
                   "the user " + facts.user_without_key + " may not read the key",
                   "a key that the server's user reads",
                   "Give it the file (chown, or LoadCredential= of systemd); docs/install.md has a hook for "
                   "certbot."});
  }
}

}  // namespace

Findings judge_certificate(const CertificateFacts& facts) {
  if (!facts.configured) {
    return {ok(kCertificate, facts.self_made ? "one that signs itself, made at each start"
                                             : "none configured: no TLS and no DTLS")};
  }
  if (!facts.problem.empty()) {
    return {{kCertificate, Verdict::Fault, facts.problem, "a certificate and its key as PEM",
             "Correct listen.tls_cert_file and listen.tls_key_file."}};
  }
  Findings out;
  judge_time_left(facts, out);
  judge_names_of(facts, out);
  judge_key(facts, out);
  if (!facts.untrusted.empty()) {
    out.push_back({kCertificate, Verdict::Warning,
                   "this host's authorities do not lead to it: " + facts.untrusted,
                   "the certificate and all between it and an authority, in one file",
                   "Name the full chain (fullchain.pem); with an authority of your own, clients must know "
                   "it, and browsers refuse it for turns: without a word."});
  }
  if (out.empty())
    out.push_back(ok(kCertificate, "for " + joined(facts.names) + ", valid for " + days(facts.left)));
  return out;
}

Findings judge_buffers(const std::vector<BufferFacts>& facts) {
  constexpr const char* kName = "socket buffers";
  Findings out;
  for (const BufferFacts& one : facts) {
    if (!one.granted) {
      out.push_back(unknown(kName, one.limit + " cannot be found out"));
    } else if (*one.granted < one.wanted) {
      out.push_back({kName, Verdict::Warning,
                     one.limit + " grants " + std::to_string(*one.granted) + " bytes of " + one.key + " (" +
                         std::to_string(one.wanted) + "); bursts may be lost",
                     std::to_string(one.wanted) + " bytes, or CAP_NET_ADMIN for the server",
                     "sysctl -w " + one.limit + '=' + std::to_string(one.wanted)});
    }
  }
  if (out.empty()) out.push_back(ok(kName, "as large as configured"));
  return out;
}

Findings judge_limits(const LimitFacts& facts) {
  constexpr const char* kName = "limits";
  if (!facts.descriptors) return {unknown(kName, "the limit of descriptors")};
  const std::uint64_t have = *facts.descriptors;
  const std::string found = std::to_string(have) + " descriptors, the limit " + facts.whose;
  const std::uint64_t needed = facts.max_streams + facts.max_allocations + kFewDescriptors;
  // A quarter stays with relay sockets whatever streams ask for.
  const std::uint64_t wanted = std::max(needed, (facts.max_streams + kFewDescriptors) * 4 / 3 + 1);
  const std::string remedy = "LimitNOFILE=" + std::to_string(wanted) + " in the systemd unit, ulimit -Hn " +
                             std::to_string(wanted) + ", or lower listen.max_streams.";
  if (have < kFewDescriptors)
    return {{kName, Verdict::Fault, found, std::to_string(kFewDescriptors) + " at least", remedy}};
  if (have < wanted && (facts.max_streams != 0 || facts.max_allocations != 0)) {
    return {{kName, Verdict::Warning, found,
             std::to_string(wanted) + " for listen.max_streams " + std::to_string(facts.max_streams) +
                 (facts.max_allocations == 0
                      ? ""
                      : " and relay.max_allocations " + std::to_string(facts.max_allocations)),
             remedy}};
  }
  return {ok(kName, found)};
}

Findings judge_engines(const EngineFacts& facts) {
  Findings out;
  if (facts.wanted == net::UdpEngineKind::Epoll) {
    out.push_back(ok(kEngine, "epoll, as configured"));
  } else if (facts.ring_works) {
    out.push_back(ok(kEngine, "io_uring works for this user"));
  } else {
    std::string found = "io_uring is refused to this user (" + facts.why + "), so epoll moves the datagrams";
    if (facts.disabled && *facts.disabled != 0)
      found += "; kernel.io_uring_disabled is " + std::to_string(*facts.disabled);
    out.push_back({kEngine, Verdict::Warning, std::move(found), "io_uring, which relays more a core",
                   facts.disabled && *facts.disabled != 0
                       ? "sysctl -w kernel.io_uring_disabled=0, or relay.engine: epoll."
                       : "Linux 6.1 or later and a seccomp profile that allows it, or relay.engine: epoll."});
  }
  if (facts.offload != offload::Mode::Off) {
    if (facts.missing_capabilities.empty()) {
      out.push_back(ok(kEngine, "relay.offload: this user has the capabilities for it"));
    } else {
      out.push_back(
          {kEngine, Verdict::Warning, "relay.offload: this user lacks " + joined(facts.missing_capabilities),
           "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN for the server",
           "AmbientCapabilities= in the systemd unit (docs/offload.md); without, sockets relay all."});
    }
  }
  return out;
}

Findings judge_clock(const ClockFacts& facts) {
  constexpr const char* kName = "clock";
  const std::string remedy =
      "Run chrony or systemd-timesyncd (timedatectl set-ntp true); in a virtual machine, on its host too.";
  if (facts.now < kProgramIsYounger) {
    return {{kName, Verdict::Fault, "the clock is before 2025", "the time of day",
             "Credentials, tokens and certificates are judged by it. " + remedy}};
  }
  if (!facts.synchronised) return {unknown(kName, "whether it is synchronised: the kernel does not say")};
  if (!*facts.synchronised) {
    return {{kName, Verdict::Warning, "nothing synchronises the clock, as far as the kernel knows",
             "NTP: a clock that is wrong refuses ephemeral credentials and tokens", remedy}};
  }
  return {ok(kName, "synchronised, to " + std::to_string(facts.max_error.count() / 1000) + " ms")};
}

Findings judge_server(const ServerFacts& facts) {
  constexpr const char* kName = "running server";
  if (facts.url.empty()) return {unknown(kName, "whether one runs: the configuration has no HTTP port")};
  if (!facts.answers)
    return {unknown(kName, "no Turnstone answers at " + facts.url + " (" + facts.why + ')')};
  Findings out;
  if (!facts.version.empty() && facts.version != facts.own_version) {
    out.push_back({kName, Verdict::Warning,
                   "it is version " + facts.version + ", and this program is " + facts.own_version,
                   "the same", "Restart it: systemctl restart turnstone"});
  }
  if (facts.draining) {
    out.push_back({kName, Verdict::Warning, "it drains: nobody new is let in", "ready",
                   "It ends soon, or turnstone ctl undrain takes it back."});
  } else if (!facts.ready) {
    out.push_back({kName, Verdict::Warning, "it is not ready", "ready", "Look at its log."});
  }
  if (!out.empty()) return out;
  std::string found = "ready at " + facts.url;
  if (!facts.version.empty()) found += ", version " + facts.version;
  return {ok(kName, std::move(found))};
}

}  // namespace ts::app::doctor
