// SPDX-License-Identifier: Apache-2.0
// Everything an operator may set, as one value. Data only; loading it is <turnstone/config/load.hpp>.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <turnstone/auth/options.hpp>
#include <turnstone/base/address.hpp>
#include <turnstone/dialect/options.hpp>
#include <turnstone/net/options.hpp>
#include <turnstone/offload/options.hpp>
#include <turnstone/signal/options.hpp>
#include <turnstone/turn/options.hpp>

namespace ts::config {

enum class LogLevel : std::uint8_t { Trace, Debug, Info, Warn, Error, Off };
enum class LogFormat : std::uint8_t { Text, Json };

struct LogOptions {
  LogLevel level = LogLevel::Info;
  LogFormat format = LogFormat::Text;
};

/// Loopback, private and unique-local networks: who may read /metrics by default.
std::vector<IpNetwork> local_networks();

struct MetricsOptions {
  bool enabled = true;
  /// Who may read /metrics, by source address (compare IpAddress::unmapped()); others get 403.
  std::vector<IpNetwork> allow_from = local_networks();
};

/// How the server ends on SIGTERM.
struct ShutdownOptions {
  /// How long allocations and signaling sessions are waited for; 0: not at all.
  std::chrono::milliseconds drain_timeout{20'000};
  /// Signaling clients are asked to come back elsewhere, each at a time of its own within this.
  std::chrono::milliseconds signaling_spread{10'000};
};

/// The operators' interface, on a listener of its own.
struct AdminOptions {
  IpAddress bind = IpAddress::v4(127, 0, 0, 1);
  std::uint16_t port = 8081;
  /// What requests must show as `Authorization: Bearer`; a secret. Empty: the interface is off.
  std::string token;
  /// Names that may stand in Host, besides addresses and localhost.
  std::vector<std::string> allowed_hosts;

  bool is_enabled() const noexcept { return !token.empty(); }
};
/// Shorter tokens could be guessed.
inline constexpr std::size_t kMinAdminTokenBytes = 16;

/// Files that a realm's credentials were read from; the values are where they belong. Empty: none.
struct CredentialFiles {
  std::string secrets;
  std::string users;
  std::string jwt_secrets;
  /// So many of the users, secrets and jwt_secrets, the first ones, are not from the files.
  std::size_t inline_users = 0;
  std::size_t inline_secrets = 0;
  std::size_t inline_jwt_secrets = 0;
};

/// Files that secrets were read from: the default realm's, and the others'.
struct SecretFiles : CredentialFiles {
  std::string token;
  std::string hook_token;
  std::string redis_password;
  std::string cluster_secret;
  std::string admin_token;
  /// As auth.realms.
  std::vector<CredentialFiles> realms;
};

/// Who may know the address that the internet reaches this host by.
enum class AddressSource : std::uint8_t { Node, Metadata, Stun };

struct DiscoverOptions {
  /// Empty: nobody is asked. The order does not matter.
  std::vector<AddressSource> sources;
  /// A stun: or stuns: URL, for AddressSource::Stun.
  std::string stun_server;
  /// How long each may take.
  std::chrono::milliseconds timeout{5000};
};

struct Config {
  net::Options net;
  auth::Options auth;
  turn::Options turn;
  DiscoverOptions discover;
  offload::Options offload;
  /// False: no signaling endpoint at all.
  bool signaling_enabled = true;
  signal::Options signal;
  dialect::SocketIoOptions socketio;
  dialect::PeerJsOptions peerjs;
  MetricsOptions metrics;
  AdminOptions admin;
  ShutdownOptions shutdown;
  LogOptions log;
  SecretFiles secret_files;
  /// Everything open and generated, for a developer's machine; see apply_dev_defaults().
  bool dev = false;
};

}  // namespace ts::config
