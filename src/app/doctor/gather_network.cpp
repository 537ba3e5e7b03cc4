// SPDX-License-Identifier: Apache-2.0
// What other servers say: STUN and metadata, name servers, Redis, and a running server of ours.
#include <thread>

#include <boost/asio/ip/udp.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <turnstone/base/http_url.hpp>
#include <turnstone/base/redis_url.hpp>
#include <turnstone/metrics/snapshot.hpp>
#include <turnstone/net/listen.hpp>

#include "../probe/connection.hpp"
#include "../probe/http_client.hpp"
#include "../probe/text.hpp"
#include "../probe/url.hpp"
#include "gather.hpp"
#include "proc_text.hpp"

namespace ts::app::doctor {
namespace {

using probe::Carrier;
using probe::Connection;

constexpr const char* kNoTime = "no time was left for it";

boost::asio::ip::udp::endpoint asio_endpoint(const Endpoint& endpoint) {
  boost::system::error_code ignored;
  return {boost::asio::ip::make_address(endpoint.address.to_string(), ignored), endpoint.port};
}

bool has(const std::vector<IpAddress>& all, const IpAddress& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

/// From a relay port to the advertised address, and back to that port.
void send_around(const turn::PortRange& ports, HairpinFacts& out, TimePoint deadline) {
  constexpr int kAttempts = 16;
  constexpr std::uint32_t kBuffer = 65'536;
  net::SystemRandom random;
  const auto nonce = random.bytes<16>();
  const std::uint32_t count = static_cast<std::uint32_t>(ports.high - ports.low) + 1;
  for (int i = 0; i < kAttempts; ++i) {
    const auto port = static_cast<std::uint16_t>(ports.low + random.below(count));
    const net::RelaySocket socket = net::open_relay_socket({out.relay.local, port}, kBuffer);
    if (!socket.descriptor) {
      out.why = std::generic_category().message(socket.error);
      continue;
    }
    const auto to = asio_endpoint({out.relay.advertised, port});
    out.why.clear();
    while (net::now().mono < deadline) {
      if (::sendto(socket.descriptor.get(), nonce.data(), nonce.size(), MSG_NOSIGNAL, to.data(),
                   static_cast<socklen_t>(to.size())) < 0 &&
          errno != EAGAIN && errno != ECONNREFUSED) {
        out.why = std::generic_category().message(errno);
        return;
      }
      const TimePoint again = std::min(deadline, net::now().mono + std::chrono::milliseconds(250));
      while (probe::wait_for(socket.descriptor.get(), false, again)) {
        std::array<std::uint8_t, 64> space{};
        const ssize_t got = ::recv(socket.descriptor.get(), space.data(), space.size(), 0);
        if (got == static_cast<ssize_t>(nonce.size()) &&
            std::equal(nonce.begin(), nonce.end(), space.begin())) {
          out.came_back = true;
          return;
        }
        if (net::now().mono >= again) break;
      }
    }
    out.came_back = false;
    return;
  }
}

/// The first line of Redis' answer to HELLO; nothing: there was none.
Result<std::string, probe::Problem> say_hello(Connection& connection, const signal::ClusterOptions& options,
                                              TimePoint deadline) {
  std::vector<std::string> words = {"HELLO", "3"};
  if (!options.redis_password.empty()) {
    words.insert(words.end(), {"AUTH", options.redis_username.empty() ? "default" : options.redis_username,
                               options.redis_password});
  }
  std::string command = '*' + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) command += '$' + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  if (auto problem = connection.send(as_bytes(command), deadline)) return std::move(*problem);
  std::string text;
  while (text.find('\n') == std::string::npos && text.size() < 4096) {
    auto more = connection.receive_some(deadline);
    if (more.has_error()) return std::move(more).error();
    if (!more->has_value()) return probe::Problem{"connected, but no answer", ""};
    text.append(as_text(**more));
  }
  return std::string(probe::trimmed(text.substr(0, text.find('\n'))));
}

struct HttpPlace {
  Endpoint at;
  std::string url() const { return "http://" + at.to_string(); }
};

std::optional<HttpPlace> http_place(const config::Config& config) {
  const std::uint16_t port = config.net.http_port != 0 ? config.net.http_port
                             : config.net.tcp          ? config.net.port
                                                       : std::uint16_t{0};
  if (port == 0) return std::nullopt;
  IpAddress at = IpAddress::v4(127, 0, 0, 1);
  if (!config.net.bind.empty()) {
    at = config.net.bind.front();
    if (at.is_unspecified()) at = at.is_v4() ? IpAddress::v4(127, 0, 0, 1) : *IpAddress::parse("::1");
  }
  return HttpPlace{{at, port}};
}

Result<probe::HttpAnswer, probe::Problem> get(const HttpPlace& place, const char* target,
                                              std::size_t max_bytes, TimePoint deadline) {
  auto connection = Connection::open(Carrier::Tcp, place.at, deadline);
  if (connection.has_error()) return std::move(connection).error();
  return probe::ask(*connection, {"GET", target, place.at.to_string()}, max_bytes, deadline);
}

}  // namespace

AddressFacts look_at_addresses(const config::Config& config, const std::string& stun_server, Budget& budget) {
  AddressFacts out;
  out.relay_enabled = config.turn.enabled;
  out.dev = config.dev;
  out.allowed_peers = config.turn.peers.allow;
  out.host = net::host_addresses();
  if (!config.turn.enabled) return out;
  const auto ask = [&](config::DiscoverOptions options) {
    options.timeout = std::min(options.timeout, budget.left(std::chrono::seconds(2)));
    out.asked = true;
    return external::discover(options, config.net.bind, external::Surroundings::of_this_process());
  };
  const bool discovers = !config.discover.sources.empty();
  config::Config filled = config;
  if (discovers) {
    out.told = ask(config.discover);
    for (const external::Found& found : out.told.found) filled.turn.relay_addresses.push_back(found.address);
  }
  const bool starts = !discovers || !out.told.found.empty();
  config::DiscoverOptions outside;
  outside.sources = {config::AddressSource::Stun};
  outside.stun_server = stun_server.empty() && !discovers ? config.discover.stun_server : stun_server;
  if (outside.stun_server.starts_with("turn")) outside.stun_server.replace(0, 4, "stun");
  if (starts && !outside.stun_server.empty() && !budget.is_used_up()) out.told = ask(outside);
  for (const config::Problem& problem : config::fill_relay_addresses(filled, out.host))
    out.told.remarks.push_back(problem.found.empty() ? problem.expected : problem.found);
  if (starts) out.relays = filled.turn.relay_addresses;
  return out;
}

FamilyFacts look_at_families(const config::Config& config, const AddressFacts& addresses) {
  FamilyFacts out;
  out.kernel_v6 = ::access("/proc/net/if_inet6", F_OK) == 0;
  const auto off = read_kernel("/proc/sys/net/ipv6/conf/all/disable_ipv6");
  if (off && number(*off).value_or(0) == 1) out.kernel_v6 = false;
  out.host = addresses.host;
  out.bind = config.net.bind;
  out.relay_enabled = config.turn.enabled;
  out.relays = addresses.relays;
  return out;
}

std::vector<HairpinFacts> look_at_hairpin(const config::Config& config, const AddressFacts& addresses,
                                          Budget& budget) {
  std::vector<HairpinFacts> out;
  if (!config.turn.enabled || config.turn.ports.low > config.turn.ports.high) return out;
  for (const turn::RelayAddress& relay : addresses.relays) {
    HairpinFacts& one = out.emplace_back(HairpinFacts{relay, has(addresses.host, relay.advertised), {}});
    if (one.own) continue;
    if (budget.is_used_up())
      one.why = kNoTime;
    else
      send_around(config.turn.ports, one, budget.next(std::chrono::milliseconds(1000)));
  }
  return out;
}

std::vector<NameFacts> look_at_names(const config::Config& config, Budget& budget) {
  std::vector<NameFacts> out;
  if (const auto url = HttpUrl::parse(config.auth.hook.url); url && config.auth.hook.is_enabled())
    out.push_back({"auth.hook_url", url->host});
  const signal::ClusterOptions& cluster = config.signal.cluster;
  const auto redis = RedisUrl::parse(cluster.redis_url);
  if (config.signaling_enabled && cluster.backplane == signal::Backplane::Redis && redis)
    out.push_back({"signaling.redis.url", redis->host});
  const auto& sources = config.discover.sources;
  const bool uses_stun =
      std::find(sources.begin(), sources.end(), config::AddressSource::Stun) != sources.end();
  const auto stun = probe::parse_url(config.discover.stun_server);
  if (uses_stun && stun.has_value()) out.push_back({"relay.discover_stun", stun->host});
  // An address needs nobody.
  std::erase_if(out, [](const NameFacts& one) { return IpAddress::parse(one.host).has_value(); });
  for (NameFacts& one : out) {
    one.late = budget.is_used_up();
    if (one.late) continue;
    const TimePoint deadline = budget.next();
    auto addresses = probe::resolve(one.host, deadline);
    one.late = addresses.has_error() && net::now().mono >= deadline;
    if (addresses.has_error())
      one.problem = addresses.error().what;
    else
      one.addresses = std::move(*addresses);
  }
  return out;
}

RedisFacts look_at_redis(const config::Config& config, Budget& budget) {
  using State = RedisFacts::State;
  const signal::ClusterOptions& options = config.signal.cluster;
  RedisFacts out;
  const auto url = RedisUrl::parse(options.redis_url);
  if (!config.signaling_enabled || options.backplane != signal::Backplane::Redis || !url) return out;
  out.url = options.redis_url;
  out.state = State::NotKnown;
  out.detail = kNoTime;
  if (budget.is_used_up()) return out;
  if (url->tls && !options.redis_cert_file.empty()) {
    out.detail = "it is asked with a certificate of ours, which this check does not show";
    return out;
  }
  const TimePoint deadline = budget.next();
  const auto fail = [&](const probe::Problem& problem) {
    // Who is silent for so short a time may only be slow.
    out.state = net::now().mono >= deadline ? State::NotKnown : State::NotReached;
    out.detail = problem.what;
    return out;
  };
  auto addresses = probe::resolve(url->host, deadline);
  if (addresses.has_error()) return fail(addresses.error());
  probe::Problem last{"no address", ""};
  for (const IpAddress& address : *addresses) {
    auto connection =
        Connection::open(url->tls ? Carrier::Tls : Carrier::Tcp, {address, url->port}, deadline);
    if (connection.has_error()) {
      last = connection.error();
      continue;
    }
    if (url->tls) {
      const auto secured = connection->secure({url->host, false, false, options.redis_ca_file}, deadline);
      if (secured.has_error()) return fail(secured.error());
    }
    const auto answer = say_hello(*connection, options, deadline);
    if (answer.has_error()) return fail(answer.error());
    out.state = answer->starts_with('%') || answer->starts_with('*') ? State::Answers : State::Refused;
    out.detail =
        probe::printable(answer->starts_with('-') ? answer->substr(1) : "an answer that is not Redis'", 200);
    return out;
  }
  return fail(last);
}

ServerFacts look_at_server(const config::Config& config, Budget& budget) {
  constexpr std::size_t kMostReady = 4096;
  constexpr std::size_t kMostMetrics = 4U << 20;
  ServerFacts out;
  out.own_version = metrics::build_info().version;
  const auto place = http_place(config);
  if (!place) return out;
  out.url = place->url();
  const auto ready = get(*place, "/readyz", kMostReady, budget.next(std::chrono::seconds(1)));
  if (ready.has_error()) {
    out.why = ready.error().what;
    return out;
  }
  const auto body = nlohmann::json::parse(ready->body, nullptr, false);
  if (!body.is_object() || !body.contains("allocations") || !body.contains("status")) {
    out.why = "what answers there is no Turnstone";
    return out;
  }
  out.answers = true;
  out.ready = ready->status == 200;
  out.draining = body["status"] == "draining";
  const auto text = get(*place, "/metrics", kMostMetrics, budget.next(std::chrono::seconds(1)));
  if (text.has_value() && text->status == 200) out.version = probe::printable(version_in(text->body), 64);
  return out;
}

}  // namespace ts::app::doctor
