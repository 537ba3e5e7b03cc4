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

void need_restart(std::vector<config::Change>& changes, std::string_view prefix) {
  for (config::Change& change : changes) {
    if (change.key.starts_with(prefix)) change.live = false;
  }
}

/// What takes effect in one configuration and means nothing in the other waits for the restart, too.
void restrict_changes(std::vector<config::Change>& changes, const config::Config& effective,
                      const config::Config& loaded, const config::Config& fresh) {
  // Signaling that was not there at the start is not there now: a token changes nothing.
  if (!effective.signaling_enabled) need_restart(changes, "signaling.");
  // A door that is open, or is to be, asks nobody for a token.
  if (effective.signal.open || loaded.signal.open != fresh.signal.open) {
    need_restart(changes, "signaling.token");
    need_restart(changes, "signaling.jwt_");
  }
  // Whether there is an admin API was decided at the start.
  if (effective.admin.is_enabled() != fresh.admin.is_enabled()) need_restart(changes, "admin.");
}

}  // namespace

bool ReloadPlan::touches(std::string_view prefix) const {
  return std::any_of(changes.begin(), changes.end(), [&](const config::Change& change) {
    return change.live && change.key.starts_with(prefix);
  });
}

/// Each of the two configurations is sound; what is left of the one and taken of the other must be, too.
void Reloader::check_mixture(const ReloadPlan& plan, ReloadReport& report) const {
  config::Config mixture = loaded_;
  config::adopt(mixture, fresh_, plan.changes);
  for (const config::Problem& problem : config::contradictions(mixture)) {
    report.problems.push_back("only a restart can bring this about, since a part of it needs one: " +
                              problem.to_string());
  }
}

std::optional<ReloadPlan> Reloader::plan(const config::Config& effective, const net::TlsContext* tls,
                                         RandomSource& random, ReloadReport& report) {
  config::LoadResult result = load_ ? load_() : config::LoadResult{};
  if (!load_) report.problems.emplace_back("this server was not started from a configuration");
  for (const config::Problem& problem : result.problems) report.problems.push_back(problem.to_string());
  for (const config::Problem& warning : result.warnings) report.warnings.push_back(warning.to_string());
  if (!report.problems.empty()) return std::nullopt;

  fresh_ = std::move(result.config);
  ReloadPlan out;
  out.effective = effective;
  out.changes = config::changes(loaded_, fresh_);
  restrict_changes(out.changes, effective, loaded_, fresh_);
  check_mixture(out, report);
  config::adopt(out.effective, fresh_, out.changes);
  config::apply_dev_defaults(out.effective, random);
  if (tls != nullptr && has_certificate(out.effective)) {
    auto made = net::TlsContext::from_files(out.effective.net.tls_cert_file, out.effective.net.tls_key_file,
                                            out.effective.net.tls_ticket_keys_file);
    if (!made) {
      report.problems.push_back(made.error());
    } else {
      out.tls = *made;
      if (out.tls->fingerprint() != tls->fingerprint()) report.changed.emplace_back("the TLS certificate");
    }
  }
  auto keys = read_signal_keys(out.effective.signal);
  // As at the start: where there is no signaling, nobody needs them.
  if (!keys && effective.signaling_enabled) report.problems.push_back(keys.error());
  if (!report.problems.empty()) {
    report.changed.clear();
    return std::nullopt;
  }
  if (keys) out.signal_keys = std::move(*keys);
  for (const config::Change& change : out.changes)
    (change.live ? report.changed : report.needs_restart).push_back(change.key);
  return out;
}

void Reloader::done(const ReloadPlan& plan) { config::adopt(loaded_, fresh_, plan.changes); }

void Reloader::took(const auth::Options& read) {
  const auto take = [](const config::CredentialFiles& files, auto& to, const auto& from) {
    if (!files.users.empty()) to.users = from.users;
    if (!files.secrets.empty()) to.secrets = from.secrets;
    if (!files.jwt_secrets.empty()) to.jwt_secrets = from.jwt_secrets;
  };
  take(loaded_.secret_files, loaded_.auth, read);
  const auto& files = loaded_.secret_files.realms;
  auto& realms = loaded_.auth.realms;
  const std::size_t count = std::min({files.size(), realms.size(), read.realms.size()});
  for (std::size_t i = 0; i < count; ++i) take(files[i], realms[i], read.realms[i]);
}

}  // namespace ts::app
