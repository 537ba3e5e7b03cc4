// SPDX-License-Identifier: Apache-2.0
// What each command does; serve and probe are called from here and live elsewhere.
#include <algorithm>
#include <exception>
#include <iostream>

#include <unistd.h>

#include <turnstone/app/cli.hpp>
#include <turnstone/app/logging.hpp>
#include <turnstone/auth/jwt.hpp>
#include <turnstone/config/migrate.hpp>
#include <turnstone/config/schema.hpp>
#include <turnstone/metrics/exposition.hpp>
#include <turnstone/net/clock.hpp>

namespace ts::app {
namespace {

constexpr int kFailure = 1;

config::LoadResult load(const ConfigSource& source) {
  return config::load_file(source.file, config::environment_from(environ), source.overrides);
}

/// Prints the problems to stderr; true when there are any.
bool complain(const config::LoadResult& result) {
  if (result.ok()) return false;
  const std::size_t count = result.problems.size();
  std::cerr << config::to_text(result.problems) << "turnstone: " << count
            << (count == 1 ? " problem in the configuration\n" : " problems in the configuration\n");
  return true;
}

int print(const std::string& text) {
  std::cout << text << std::flush;
  return std::cout ? 0 : kFailure;
}

/// One overload a command.
struct Runner {
  int operator()(const ServeCommand& command) const {
    const config::LoadResult result = load(command.source);
    if (complain(result)) return kFailure;
    log::set_up(result.config.log);
    for (const config::Problem& w : result.warnings)
      log::warn(w.key + ": expected " + w.expected + ", found " + w.found + ". " + w.remedy);
    return run_serve(result.config, [source = command.source] { return load(source); });
  }
  int operator()(const CheckCommand& command) const {
    const config::LoadResult result = load(command.source);
    for (const config::Problem& warning : result.warnings)
      std::cerr << "warning: " << warning.to_string() << '\n';
    return complain(result) ? kFailure : print("ok\n");
  }
  int operator()(const ConfigPrintCommand& command) const {
    const config::LoadResult result = load(command.source);
    return complain(result) ? kFailure : print(config::print(result.config));
  }
  int operator()(const ConfigSchemaCommand&) const { return print(config::json_schema()); }
  int operator()(const ConfigSampleCommand&) const { return print(config::sample_yaml()); }
  int operator()(const ConfigDocsCommand&) const { return print(config::documentation()); }
  int operator()(const ConfigMigrateCommand& command) const;
  int operator()(const MetricsDocsCommand&) const { return print(metrics::documentation()); }
  int operator()(const VersionCommand&) const { return print(version_text()); }
  int operator()(const ExternalIpCommand& command) const {
    const config::LoadResult result = load(command.source);
    // What the server itself lacks, such as credentials, does not matter here.
    const auto matters = [](const config::Problem& p) { return p.key.starts_with("relay.") || p.line != 0; };
    if (std::any_of(result.problems.begin(), result.problems.end(), matters)) {
      complain(result);
      return kFailure;
    }
    return run_external_ip(result.config);
  }
  int operator()(const DoctorCommand& command) const { return run_doctor(load(command.source), command); }
  int operator()(const ProbeOptions& options) const { return run_probe(options); }
  int operator()(const CtlOptions& options) const { return run_ctl(options); }
  int operator()(const ExitCommand& command) const {
    (command.status == 0 ? std::cout : std::cerr) << command.text << std::flush;
    return command.status;
  }
  int operator()(const CredentialsOptions& options) const;
};

int Runner::operator()(const ConfigMigrateCommand& command) const {
  if (command.options) return print(config::coturn_documentation());
  const config::FileText file = config::read_file(command.file);
  if (!file.error.empty()) {
    std::cerr << "turnstone: " << command.file << ": " << file.error << '\n';
    return kFailure;
  }
  const config::Migration moved = config::migrate_coturn(file.text, command.file);
  for (const config::MigrationRemark& remark : moved.remarks)
    std::cerr << remark.to_string(command.file) << '\n';
  return print(moved.yaml);
}

int Runner::operator()(const CredentialsOptions& options) const {
  std::string secret = options.secret;
  std::string audience = options.audience;
  std::chrono::seconds ttl = options.ttl.value_or(auth::Options{}.credential_ttl);
  if (secret.empty()) {
    const config::LoadResult result = load({options.config_file, {}});
    const auth::Options& auth = result.config.auth;
    const std::vector<std::string>& secrets = options.jwt ? auth.jwt_secrets : auth.secrets;
    if (secrets.empty()) {
      if (!options.config_file.empty()) complain(result);
      std::cerr << "turnstone: no shared secret: give --secret, or --config with auth."
                << (options.jwt ? "jwt_secrets" : "secrets") << " in it\n";
      return kFailure;
    }
    secret = secrets.front();
    ttl = options.ttl.value_or(auth.credential_ttl);
    if (audience.empty()) audience = auth.jwt_audience;
  }
  if (options.jwt && secret.size() < auth::kMinJwtSecretBytes) {
    std::cerr << "turnstone: a secret of tokens has at least " << auth::kMinJwtSecretBytes
              << " bytes; make one with: openssl rand -hex 32\n";
    return kFailure;
  }
  const WallTime expiry = net::now().wall + ttl;
  const auto minted = options.jwt ? auth::mint_jwt(secret, options.user, options.policy, audience, expiry)
                                  : auth::mint(secret, options.user, options.policy, expiry);
  if (!minted) {
    std::cerr << "turnstone: the credential cannot be made: its username would be longer than "
              << auth::kMaxPolicyUsernameBytes
              << " bytes, or a name in it is too long; use shorter names or fewer networks\n";
    return kFailure;
  }
  return print(render(*minted, ttl, options.format, options.urls));
}

}  // namespace

int run(const Command& command) {
  try {
    return std::visit(Runner{}, command);
  } catch (const std::exception& error) {
    std::cerr << "turnstone: " << error.what() << '\n';
    return kFailure;
  }
}

}  // namespace ts::app
