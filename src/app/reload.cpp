// SPDX-License-Identifier: Apache-2.0
#include "reload.hpp"

#include <algorithm>
#include <utility>

#include "signal_keys.hpp"

namespace ts::app {
namespace {

bool has_certificate(const config::Config& config) {
  return !config.net.tls_cert_file.empty() && !config.net.tls_key_file.empty();
}

/// Signaling that was not there at the start is not there now: a token changes nothing.
void needs_signaling(std::vector<config::Change>& changes, bool enabled) {
  if (enabled) return;
  for (config::Change& change : changes) {
    if (change.key.starts_with("signaling.")) change.live = false;
  }
}

}  // namespace

bool ReloadPlan::touches(std::string_view prefix) const {
  return std::any_of(changes.begin(), changes.end(), [&](const config::Change& change) {
    return change.live && change.key.starts_with(prefix);
  });
}

std::optional<ReloadPlan> Reloader::plan(const config::Config& effective, const net::TlsContext* tls,
                                         ReloadReport& report) {
  config::LoadResult result = load_ ? load_() : config::LoadResult{};
  if (!load_) report.problems.emplace_back("this server was not started from a configuration");
  for (const config::Problem& problem : result.problems) report.problems.push_back(problem.to_string());
  for (const config::Problem& warning : result.warnings) report.warnings.push_back(warning.to_string());
  if (!report.problems.empty()) return std::nullopt;

  fresh_ = std::move(result.config);
  ReloadPlan out;
  out.effective = effective;
  out.changes = config::changes(loaded_, fresh_);
  needs_signaling(out.changes, effective.signaling_enabled);
  // Whether there is an admin API was decided at the start.
  if (effective.admin.is_enabled() != fresh_.admin.is_enabled()) {
    for (config::Change& change : out.changes)
      if (change.key.starts_with("admin.")) change.live = false;
  }
  config::adopt(out.effective, fresh_, out.changes);
  if (tls != nullptr && has_certificate(out.effective)) {
    auto made = net::TlsContext::from_files(out.effective.net.tls_cert_file, out.effective.net.tls_key_file);
    if (!made) {
      report.problems.push_back(made.error());
    } else {
      out.tls = *made;
      if (out.tls->fingerprint() != tls->fingerprint()) report.changed.emplace_back("the TLS certificate");
    }
  }
  auto keys = read_signal_keys(out.effective.signal);
  if (!keys) report.problems.push_back(keys.error());
  if (!report.problems.empty()) {
    report.changed.clear();
    return std::nullopt;
  }
  out.signal_keys = std::move(*keys);
  for (const config::Change& change : out.changes)
    (change.live ? report.changed : report.needs_restart).push_back(change.key);
  return out;
}

void Reloader::done(const ReloadPlan& plan) { config::adopt(loaded_, fresh_, plan.changes); }

}  // namespace ts::app
