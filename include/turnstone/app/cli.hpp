// SPDX-License-Identifier: Apache-2.0
// The command line as values: parsing has no effect, so that it can be tested; run() does the work.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/config/config.hpp>
#include <turnstone/config/load.hpp>

namespace ts::app {

/// Where a configuration comes from: a file (may be empty) and flags over it.
struct ConfigSource {
  std::string file;
  std::vector<config::Override> overrides;
};

struct ServeCommand {
  ConfigSource source;
};
struct CheckCommand {
  ConfigSource source;
};
struct ConfigPrintCommand {
  ConfigSource source;
};
struct ConfigSchemaCommand {};
struct ConfigSampleCommand {};
struct ConfigDocsCommand {};
struct MetricsDocsCommand {};
/// `turnstone config migrate`: a turnserver.conf as our configuration.
struct ConfigMigrateCommand {
  std::string file;
  /// Prints what becomes of each option, as Markdown, and reads no file.
  bool options = false;
};
struct VersionCommand {};

enum class CredentialsFormat { Text, Json, Ice };

/// `turnstone credentials`: mints an ephemeral credential (draft-uberti-behave-turn-rest-00), or a token.
struct CredentialsOptions {
  /// Empty: the first secret of `config_file`.
  std::string secret;
  std::string config_file;
  std::string user;
  /// A JSON Web Token (auth/jwt.hpp), for `audience` unless that is empty.
  bool jwt = false;
  std::string audience;
  /// What the credential allows; empty: all that the server does.
  auth::Policy policy;
  /// Nothing: auth.credential_ttl of the configuration.
  std::optional<std::chrono::seconds> ttl;
  CredentialsFormat format = CredentialsFormat::Text;
  /// ICE server URLs for CredentialsFormat::Ice.
  std::vector<std::string> urls;
};

/// `turnstone probe`: asks servers as a client would.
struct ProbeOptions {
  std::vector<std::string> urls;
  std::chrono::milliseconds timeout{5000};
  std::string user;
  std::string password;
  /// Mints the credential when set.
  std::string secret;
  /// Signaling token for ws: and wss: URLs.
  std::string token;
  /// Accepts any TLS certificate.
  bool insecure = false;
  bool json = false;
};

/// `turnstone ctl`, `turnstone reload`: asks the admin API of a running server.
struct CtlOptions {
  /// "status", "allocations", "rooms", …: the subcommand.
  std::string command;
  /// What stands behind it, in order.
  std::vector<std::string> arguments;
  /// Flags that become parameters of the request, such as user or reason.
  std::map<std::string, std::string> parameters;
  /// "http://127.0.0.1:8081". Empty: as the configuration says.
  std::string url;
  /// A file with the token. Empty: as the configuration says.
  std::string token_file;
  /// Where address and token are read from.
  std::string config_file;
  std::chrono::milliseconds timeout{10'000};
  /// drain: returns when nothing is left.
  bool wait = false;
  bool json = false;
};

/// `turnstone external-ip`: who this host is to the internet, and who said so.
struct ExternalIpCommand {
  ConfigSource source;
};

/// `turnstone doctor`: what on this host stands in the way of a configuration.
struct DoctorCommand {
  ConfigSource source;
  bool json = false;
  /// A STUN server outside of this network, as a URL; empty: as relay.discover_stun says.
  std::string server;
};

/// Nothing to run: help or a usage error was asked for. `status` 0 goes to stdout, others to stderr.
struct ExitCommand {
  int status = 0;
  std::string text;
};

using Command =
    std::variant<ServeCommand, CheckCommand, ConfigPrintCommand, ConfigSchemaCommand, ConfigSampleCommand,
                 ConfigDocsCommand, ConfigMigrateCommand, MetricsDocsCommand, CredentialsOptions,
                 ProbeOptions, CtlOptions, ExternalIpCommand, DoctorCommand, VersionCommand, ExitCommand>;

/// Parses a command line; never exits, prints or throws. Values of configuration flags are checked by run().
Command parse_command_line(int argc, const char* const* argv);

/// Runs a command and returns the exit status: 0 success, 1 failure or bad configuration, 2 usage.
/// For `serve` the configuration is loaded, the log set up, then run_serve() called.
int run(const Command& command);

/// Serves until told to stop. Composition; not part of the command line's own code.
/// `load` reads the configuration anew (SIGHUP); without, nothing is reloaded.
int run_serve(config::Config config, std::function<config::LoadResult()> load = {});

/// Probes the URLs and prints the results; 0 when all answered.
int run_probe(const ProbeOptions& options);

/// Asks the admin API and prints the answer; 0 when it was a success.
int run_ctl(const CtlOptions& options);
/// Asks the sources of relay.discover, or all that need no configuration; 0 when one knows.
int run_external_ip(const config::Config& config);

/// Prints what it finds; 0: no fault, 1: faults, 2: it could not be run.
int run_doctor(const config::LoadResult& loaded, const DoctorCommand& command);

/// What `turnstone credentials` prints.
std::string render(const auth::Minted& credential, std::chrono::seconds ttl, CredentialsFormat format,
                   const std::vector<std::string>& urls);

/// What `turnstone version` prints.
std::string version_text();

}  // namespace ts::app
