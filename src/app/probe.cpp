// SPDX-License-Identifier: Apache-2.0
// `turnstone probe`: from options to reports. Blocking, on the calling thread.
#include <csignal>
#include <exception>
#include <iostream>

#include <turnstone/app/cli.hpp>
#include <turnstone/auth/credentials.hpp>

#include "probe/checks.hpp"
#include "probe/text.hpp"

namespace ts::app {
namespace {

using probe::Report;

/// A minted credential outlives the probe, and not much more.
constexpr auto kCredentialLife = std::chrono::minutes(10);

probe::Settings settings_of(const ProbeOptions& options) {
  probe::Settings settings;
  settings.timeout = options.timeout;
  settings.token = options.token;
  settings.insecure = options.insecure;
  settings.login = {options.user, options.password};
  if (options.secret.empty()) return settings;
  auto minted = auth::mint(options.secret, options.user.empty() ? "probe" : options.user,
                           net::now().wall + kCredentialLife);
  settings.login = {std::move(minted.username), std::move(minted.password)};
  return settings;
}

/// A check that cannot end the program, whatever happens.
Report check_safely(const std::string& url, const probe::Settings& settings) {
  try {
    return probe::check(url, settings);
  } catch (const std::exception& error) {
    Report report;
    report.url = probe::redacted(url);
    report.verdict = "probe: " + probe::printable(error.what());
    report.remedy = "this is a shortage on this machine or a fault of ours";
    return report;
  }
}

}  // namespace

int run_probe(const ProbeOptions& options) {
  // A peer that closes a TLS stream early must not end us.
  std::signal(SIGPIPE, SIG_IGN);
  const probe::Settings settings = settings_of(options);
  std::vector<Report> reports;
  bool ok = !options.urls.empty();
  for (const std::string& url : options.urls) {
    const Report& report = reports.emplace_back(check_safely(url, settings));
    ok = ok && report.ok;
    if (!options.json) std::cout << (reports.size() > 1 ? "\n" : "") << probe::to_text(report) << std::flush;
  }
  if (options.json) std::cout << probe::to_json(reports) << std::flush;
  return ok && std::cout ? 0 : 1;
}

}  // namespace ts::app
