// SPDX-License-Identifier: Apache-2.0
#include "checks.hpp"

#include <algorithm>
#include <initializer_list>

#include <turnstone/base/http_url.hpp>
#include <turnstone/base/redis_url.hpp>

#include "codecs.hpp"

namespace ts::config {
namespace {

/// What a drain takes besides the spread (src/app/drain.cpp).
constexpr std::chrono::milliseconds kFarewell{2000};

/// The checks over one Loading.
class Checks {
 public:
  Checks(Loading& loading, const FileReader& reader)
      : loading_(loading), c_(loading.config), reader_(reader) {}

  void run() {
    listeners();
    tls_pair();
    tls_file("listen.tls_cert_file", c_.net.tls_cert_file);
    tls_file("listen.tls_key_file", c_.net.tls_key_file);
    tls_file("auth.hook_ca_file", c_.auth.hook.ca_file);
    tls_file("signaling.hook_ca_file", c_.signal.hook.ca_file);
    tls_file("webhooks.ca_file", c_.webhooks.ca_file);
    credentials();
    check_realms(loading_);
    check_shared_secrets(loading_);
    relay_addresses();
    discovery();
    relay_ports();
    hook();
    check_webhooks(loading_);
    lifetimes();
    signaling();
    resume_sizes();
    rights();
    key_files();
    redis();
    closed_relay();
    ice();
    admin();
    shutdown();
  }

 private:
  /// Adds a problem about all of `keys`, unless one of them is known to be wrong already. Its place is that
  /// of the first key that was set.
  void problem(std::initializer_list<const char*> keys, std::string expected, std::string found,
               std::string remedy) {
    tell(loading_.problems, keys, std::move(expected), std::move(found), std::move(remedy));
  }
  void tell(std::vector<Problem>& to, std::initializer_list<const char*> keys, std::string expected,
            std::string found, std::string remedy) {
    Problem out;
    for (const char* key : keys) {
      if (loading_.failed.contains(std::string_view(key))) return;
      out.key += (out.key.empty() ? "" : ", ") + std::string(key);
      const auto origin = loading_.origins.find(std::string_view(key));
      if (!out.source.empty() || origin == loading_.origins.end()) continue;
      out.source = origin->second.source;
      out.line = origin->second.line;
    }
    out.expected = std::move(expected);
    out.found = std::move(found);
    out.remedy = std::move(remedy);
    to.push_back(std::move(out));
  }

  void listeners() {
    if (!c_.net.udp && !c_.net.tcp) {
      problem({"listen.udp", "listen.tcp"}, "at least one of them true", "both false",
              "Set listen.udp: true.");
    }
  }

  void tls_pair() {
    const bool cert = !c_.net.tls_cert_file.empty();
    const bool key = !c_.net.tls_key_file.empty();
    if (!cert && !c_.net.tls_ticket_keys_file.empty()) {
      problem({"listen.tls_ticket_keys_file"}, "a certificate whose sessions it keeps",
              "no certificate of a file", "Add listen.tls_cert_file and listen.tls_key_file, or remove it.");
    }
    if (cert == key) return;
    problem({"listen.tls_cert_file", "listen.tls_key_file"}, "both or none",
            cert ? "no key" : "no certificate",
            cert ? "Add listen.tls_key_file (--tls-key)." : "Add listen.tls_cert_file (--tls-cert).");
  }

  void tls_file(const char* key, const std::string& path) {
    if (path.empty()) return;
    const FileText file = reader_(path);
    const std::string name = '"' + excerpt(path) + '"';
    if (!file.error.empty()) {
      problem({key}, "a readable file", name + ": " + excerpt(file.error),
              "Name a PEM file that the server's user may read.");
    } else if (file.text.find("-----BEGIN ") == std::string::npos) {
      problem({key}, "a PEM file", name + ", which has no -----BEGIN line",
              "Convert it to PEM with openssl.");
    }
  }

  void credentials() {
    if (!c_.turn.enabled || c_.auth.any_source() || c_.dev) return;
    problem({"auth.secrets", "auth.users", "auth.secrets_file", "auth.users_file", "auth.jwt_secrets",
             "auth.jwt_secrets_file"},
            "a source of credentials for TURN", "none",
            "Add auth.secrets (make one with: openssl rand -hex 32) or auth.users, or a file of either; or "
            "start with "
            "--dev; or set relay.enabled: false.");
  }

  void relay_addresses() {
    bool seen_v4 = false;
    bool seen_v6 = false;
    for (const turn::RelayAddress& address : c_.turn.relay_addresses) {
      bool& seen = address.advertised.is_v4() ? seen_v4 : seen_v6;
      if (seen) {
        problem({"relay.addresses"}, "one address a family",
                RelayAddressCodec::print(address) + " as another", "Keep one IPv4 and one IPv6 address.");
      }
      seen = true;
      relay_address(address);
    }
  }

  void relay_address(const turn::RelayAddress& address) {
    const std::string text = '"' + RelayAddressCodec::print(address) + '"';
    const IpAddress& advertised = address.advertised;
    const bool multicast = advertised.is_v4() ? advertised.bytes()[0] >= 224 : advertised.bytes()[0] == 0xFF;
    if (advertised.is_unspecified() || address.local.is_unspecified() || multicast) {
      problem({"relay.addresses"}, "the address of a host", text,
              "Write the address that peers see; 0.0.0.0 and :: do not name a host.");
      return;
    }
  }

  void discovery() {
    const config::DiscoverOptions& discover = c_.discover;
    if (discover.sources.empty()) return;
    if (!c_.turn.relay_addresses.empty()) {
      problem({"relay.discover", "relay.addresses"}, "one of them", "both",
              "Remove relay.discover where the addresses are known, else relay.addresses.");
    }
    const auto stun = std::find(discover.sources.begin(), discover.sources.end(), AddressSource::Stun);
    if (stun != discover.sources.end() && !discover.stun_server.starts_with("stun:") &&
        !discover.stun_server.starts_with("stuns:")) {
      problem({"relay.discover", "relay.discover_stun"}, "the URL of a STUN server for relay.discover: stun",
              discover.stun_server.empty() ? "none" : '"' + discover.stun_server + '"',
              "Write relay.discover_stun: stun:HOST:PORT, of a server outside of this host's network.");
    }
  }

  /// RFC 8656 §7.2: "the server SHOULD NOT allocate ports in the range 0 - 1023 (the Well-Known Port range)".
  void relay_ports() {
    constexpr std::uint16_t kFirstRegistered = 1024;
    if (!c_.turn.enabled || c_.turn.ports.low >= kFirstRegistered) return;
    tell(loading_.warnings, {"relay.ports"}, "ports of 1024 and above (RFC 8656 §7.2)",
         '"' + PortRangeCodec::print(c_.turn.ports) + '"',
         "Peers would see a relayed client on a port of a system service; write 49152-65535.");
  }

  void hook() {
    const auto url = HttpUrl::parse(c_.auth.hook.url);
    if (!url || url->tls || url->is_loopback()) return;
    tell(loading_.warnings, {"auth.hook_url"}, "https, or a host that is this one", "http to another host",
         "Passwords cross the network for everybody to read; write https.");
  }

  void lifetimes() {
    if (c_.turn.default_lifetime <= c_.turn.max_lifetime) return;
    problem(
        {"relay.default_lifetime", "relay.max_lifetime"}, "the default not above the maximum",
        SecondsCodec::print(c_.turn.default_lifetime) + " above " + SecondsCodec::print(c_.turn.max_lifetime),
        "Raise relay.max_lifetime.");
  }

  void signaling() {
    if (!c_.signaling_enabled) return;
    if (!c_.signal.token.empty() && c_.signal.open) {
      problem({"signaling.open", "signaling.token"}, "a token or an open door", "both",
              "Remove signaling.open, or the token.");
    }
    if (c_.signal.hook.is_enabled() && c_.signal.hook.timeout >= c_.signal.hello_timeout) {
      problem({"signaling.hook_timeout", "signaling.hello_timeout"},
              "an answer of the application before its client is closed",
              MillisecondsCodec::print(c_.signal.hook.timeout) + " not below " +
                  MillisecondsCodec::print(c_.signal.hello_timeout),
              "Lower signaling.hook_timeout, or raise signaling.hello_timeout.");
    }
    if (c_.signal.max_send_queue_bytes < c_.signal.max_message_bytes) {
      problem({"signaling.max_send_queue", "signaling.max_message_size"},
              "a queue that takes the largest message",
              SizeCodec::print(c_.signal.max_send_queue_bytes) + " below " +
                  SizeCodec::print(c_.signal.max_message_bytes),
              "Raise signaling.max_send_queue.");
    }
    if (c_.socketio.max_send_queue_bytes < c_.socketio.max_payload) {
      problem({"signaling.socketio.max_send_queue", "signaling.socketio.max_payload"},
              "a queue that takes the largest message",
              SizeCodec::print(c_.socketio.max_send_queue_bytes) + " below " +
                  SizeCodec::print(c_.socketio.max_payload),
              "Raise signaling.socketio.max_send_queue.");
    }
    if (c_.socketio.enabled && c_.peerjs.enabled && c_.socketio.path == c_.peerjs.path) {
      problem({"signaling.socketio.path", "signaling.peerjs.path"}, "two paths",
              "\"" + c_.peerjs.path + "\" for both", "Move one of them.");
    }
    const std::vector<std::string>& origins = c_.signal.allowed_origins;
    if (c_.socketio.enabled && c_.socketio.credentials &&
        std::find(origins.begin(), origins.end(), "*") != origins.end()) {
      problem(
          {"signaling.socketio.cors_credentials", "signaling.allowed_origins"},
          "origins by name where credentials are allowed", "cors_credentials with \"*\"",
          "Name the origins of your pages, or remove cors_credentials: any page could act for its visitor.");
    }
  }

  /// What a resume sends at once goes through the send queue.
  void resume_sizes() {
    if (!c_.signaling_enabled || c_.signal.resume_time.count() == 0) return;
    const signal::Options& s = c_.signal;
    const auto not_above = [this](const char* small_key, std::uint32_t small, const char* large_key,
                                  std::uint32_t large, const char* expected) {
      if (small <= large) return;
      problem({large_key, small_key}, expected, SizeCodec::print(large) + " below " + SizeCodec::print(small),
              "Raise " + std::string(large_key) + ", or lower " + small_key + '.');
    };
    if (loading_.origins.contains("signaling.max_resume_size")) {
      not_above("signaling.max_message_size", s.max_message_bytes, "signaling.max_resume_size",
                s.max_resume_bytes, "room for the largest message");
      not_above("signaling.max_resume_size", s.max_resume_bytes, "signaling.max_send_queue",
                s.max_send_queue_bytes, "a queue that takes what a client has missed");
    }
    not_above("signaling.max_resume_size", s.max_resume_bytes, "signaling.max_resume_total",
              s.max_resume_total_bytes, "room for one client at least");
  }

  void key_files() {
    for (const std::string& path : c_.signal.jwt_key_files) {
      const FileText file = reader_(path);
      if (file.error.empty()) continue;
      problem({"signaling.jwt_key_files"}, "readable files",
              '"' + excerpt(path) + "\": " + excerpt(file.error),
              "Name files that the server's user may read.");
    }
  }

  void redis() {
    const signal::ClusterOptions& cluster = c_.signal.cluster;
    if (!c_.signaling_enabled || cluster.backplane != signal::Backplane::Redis) return;
    tls_file("signaling.redis.ca_file", cluster.redis_ca_file);
    tls_file("signaling.redis.cert_file", cluster.redis_cert_file);
    tls_file("signaling.redis.key_file", cluster.redis_key_file);
    if (cluster.redis_cert_file.empty() != cluster.redis_key_file.empty()) {
      problem({"signaling.redis.cert_file", "signaling.redis.key_file"}, "both or none", "one of them",
              "Add the other one.");
    }
    if (!cluster.redis_username.empty() && cluster.redis_password.empty()) {
      problem({"signaling.redis.username", "signaling.redis.password"}, "a password for the user", "none",
              "Add signaling.redis.password or signaling.redis.password_file.");
    }
    cluster_secret();
    node_url();
    const auto url = RedisUrl::parse(cluster.redis_url);
    if (!url || url->tls || url->is_loopback()) return;
    tell(loading_.warnings, {"signaling.redis.url"}, "rediss, or a host that is this one",
         "redis to another host",
         "Password and messages cross the network for everybody to read; write rediss, unless the network "
         "is yours alone.");
  }

  /// Whoever may publish at the Redis could else speak for every node.
  void cluster_secret() {
    const std::size_t size = c_.signal.cluster.cluster_secret.size();
    if (size >= signal::kMinClusterSecretBytes || (size == 0 && c_.dev)) return;
    problem({"signaling.redis.cluster_secret", "signaling.redis.cluster_secret_file"},
            "a secret of " + std::to_string(signal::kMinClusterSecretBytes) +
                " characters or more, the same at all nodes",
            size == 0 ? "none" : "a shorter one",
            "Make one with: openssl rand -hex 32 (nodes of dev: true alone may go without).");
  }

  void node_url() {
    const signal::ClusterOptions& cluster = c_.signal.cluster;
    const auto url = HttpUrl::parse(cluster.node_url);
    if (!url) return;
    if (url->target != "/") {
      problem({"signaling.node_url"}, "an address and a port alone", '"' + excerpt(cluster.node_url) + '"',
              "Leave path and query away.");
    }
    const auto redis = RedisUrl::parse(cluster.redis_url);
    if (redis && url->is_loopback() && !redis->is_loopback()) {
      tell(loading_.warnings, {"signaling.node_url"}, "an address that other hosts reach",
           '"' + excerpt(cluster.node_url) + '"', "Write the address of this host in the nodes' network.");
    }
    if (url->tls || url->is_loopback()) return;
    tell(loading_.warnings, {"signaling.node_url"}, "https, or a host that is this one", "http",
         "What clients say crosses the network for everybody to read; write https, unless the network is "
         "yours alone.");
  }

  void admin() {
    if (!c_.admin.is_enabled()) return;
    if (c_.admin.token.size() < kMinAdminTokenBytes) {
      problem({"admin.token", "admin.token_file"},
              "a token of " + std::to_string(kMinAdminTokenBytes) + " characters or more", "a shorter one",
              "Make one with: openssl rand -hex 32");
    }
    if (!c_.admin.bind.is_loopback()) {
      tell(loading_.warnings, {"admin.bind"}, "an address of loopback", c_.admin.bind.to_string(),
           "The token crosses the network in plain text; put a proxy with TLS in front, or keep others off.");
    }
  }

  /// Whoever is told to go must have gone by the end.
  void shutdown() {
    const ShutdownOptions& s = c_.shutdown;
    if (!loading_.origins.contains("shutdown.signaling_spread")) return;
    if (s.drain_timeout.count() == 0 || s.signaling_spread + kFarewell <= s.drain_timeout) return;
    tell(loading_.warnings, {"shutdown.signaling_spread", "shutdown.drain_timeout"},
         "a spread that ends 2s before the drain does",
         MillisecondsCodec::print(s.signaling_spread) + " of " + MillisecondsCodec::print(s.drain_timeout),
         "On SIGTERM the spread is shortened to what fits; raise shutdown.drain_timeout.");
  }

  void rights() {
    for (const std::string& name : c_.signal.token_can) {
      if (std::find(signal::kRightNames.begin(), signal::kRightNames.end(), name) !=
          signal::kRightNames.end())
        continue;
      problem({"signaling.token_can"}, "join, create, send, ice, room, kick or ban", name,
              "Write names of rights.");
    }
  }

  void closed_relay() {
    if (!c_.signal.closed_relay || c_.signal.bind_turn) return;
    problem({"signaling.closed_relay", "signaling.bind_turn"}, "credentials that are bound to members",
            "closed_relay without bind_turn", "Write signaling.bind_turn: true, or closed_relay: false.");
  }

  void ice() {
    if (!c_.signaling_enabled || c_.dev || !c_.auth.secrets.empty()) return;
    const auto is_turn = [](const std::string& url) { return url.starts_with("turn"); };
    if (std::none_of(c_.signal.ice_urls.begin(), c_.signal.ice_urls.end(), is_turn)) return;
    problem({"signaling.ice_urls", "auth.secrets", "auth.secrets_file"},
            "a secret to mint TURN credentials with", "TURN URLs and no secret",
            "Add auth.secrets, or remove the turn: URLs.");
  }

  Loading& loading_;
  const Config& c_;
  const FileReader& reader_;
};

/// What nobody has written follows what somebody has.
void fit_resume_size(Loading& loading) {
  if (loading.origins.contains("signaling.max_resume_size")) return;
  signal::Options& s = loading.config.signal;
  s.max_resume_bytes = std::max(std::min(s.max_resume_bytes, s.max_send_queue_bytes), s.max_message_bytes);
}

}  // namespace

void check(Loading& loading, const FileReader& reader) {
  fit_resume_size(loading);
  Checks(loading, reader).run();
}

std::vector<Problem> contradictions(const Config& config, const FileReader& reader) {
  Loading loading;
  loading.config = config;
  check(loading, reader);
  return std::move(loading.problems);
}

}  // namespace ts::config
