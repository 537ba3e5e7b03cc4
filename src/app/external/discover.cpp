// SPDX-License-Identifier: Apache-2.0
#include "discover.hpp"

#include <algorithm>
#include <cstdlib>

#include <turnstone/app/logging.hpp>
#include <turnstone/config/load.hpp>
#include <turnstone/stun/attributes.hpp>

#include "../probe/http_client.hpp"
#include "../probe/stun_client.hpp"
#include "../probe/text.hpp"
#include "../probe/url.hpp"
#include "services.hpp"

namespace ts::app::external {
namespace {

using config::AddressSource;
using probe::Carrier;
using probe::Connection;
using probe::HttpAnswer;
using probe::HttpRequest;
using probe::Problem;

/// A Node with many images in its status; a metadata answer is a line.
constexpr std::size_t kMaxNodeBytes = 1U << 20;
constexpr std::size_t kMaxAnswerBytes = 4096;
/// Link-local: who is there answers at once.
constexpr std::chrono::milliseconds kMetadataLimit{1000};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

class Search {
 public:
  Search(const config::DiscoverOptions& options, const std::vector<IpAddress>& bind,
         const Surroundings& where)
      : options_(options), bind_(bind), where_(where) {}

  Discovery run() {
    if (wants(AddressSource::Node)) ask_node();
    if (wants(AddressSource::Metadata)) ask_metadata();
    if (wants(AddressSource::Stun)) ask_stun();
    return std::move(out_);
  }

 private:
  bool has(IpFamily family) const {
    return std::any_of(out_.found.begin(), out_.found.end(),
                       [&](const Found& f) { return f.address.advertised.family() == family; });
  }
  bool wants(AddressSource source) const {
    const auto& sources = options_.sources;
    return !has(IpFamily::V4) && std::find(sources.begin(), sources.end(), source) != sources.end();
  }
  void remark(std::string text) { out_.remarks.push_back(std::move(text)); }
  TimePoint deadline() const { return net::now().mono + options_.timeout; }

  /// The address of listen.bind that relays leave from; loopback only where there is no other.
  std::optional<IpAddress> bound(IpFamily family) const {
    std::optional<IpAddress> out;
    for (const IpAddress& one : bind_) {
      const bool better = !out || (config::reach(*out) == 0 && config::reach(one) > 0);
      if (one.family() == family && !one.is_unspecified() && better) out = one;
    }
    return out;
  }
  bool listens_on(IpFamily family) const {
    return bind_.empty() ||
           std::any_of(bind_.begin(), bind_.end(), [&](const IpAddress& a) { return a.family() == family; });
  }

  /// The address that datagrams to `outside` leave from.
  std::optional<IpAddress> local_towards(const Endpoint& outside) const {
    if (const auto fixed = bound(outside.address.family())) return fixed;
    const auto connection = Connection::open(Carrier::Udp, outside, deadline());
    return connection ? connection->local_address() : std::nullopt;
  }

  /// False: it is of a family that is known already, or cannot be bound here.
  bool add(const IpAddress& address, const std::string& source) {
    const bool listens = listens_on(address.family());
    const auto local = listens ? local_towards({address, 9}) : std::nullopt;
    if (has(address.family())) return false;
    if (!local) {
      remark(
          source + " says " + address.to_string() + ", but " +
          (listens ? "this host has no route of that family" : "listen.bind has no address of that family"));
      return false;
    }
    out_.found.push_back({{address, *local}, source});
    return true;
  }

  static std::string words(const Problem& problem) { return problem.what + " (" + problem.remedy + ')'; }

  void ask_node() {
    if (where_.kubernetes_host.empty()) return remark("node: this is no pod of Kubernetes");
    if (where_.node.empty())
      return remark("node: NODE_NAME is not set; set it from spec.nodeName with the downward API");
    const auto answer = get_node();
    if (answer.has_error()) return remark("node: " + words(answer.error()));
    if (answer->status == 403)
      return remark("node: 403 from Kubernetes: let the service account get this Node (RBAC)");
    if (answer->status != 200) return remark("node: " + std::to_string(answer->status) + " from Kubernetes");
    bool any = false;
    for (const IpAddress& address : addresses_of_node(answer->body)) any |= add(address, "Kubernetes' Node");
    if (!any) remark("node: the Node " + where_.node + " has no address of type ExternalIP");
  }

  Result<HttpAnswer, Problem> get_node() const {
    const TimePoint until = deadline();
    const config::FileText token = config::read_file(where_.account_directory + "/token");
    if (!token.error.empty())
      return Problem{"the service account's token: " + token.error, "set automountServiceAccountToken: true"};
    auto addresses = probe::resolve(where_.kubernetes_host, until);
    if (addresses.has_error()) return std::move(addresses).error();
    const auto port = static_cast<std::uint16_t>(std::strtoul(where_.kubernetes_port.c_str(), nullptr, 10));
    auto connection = Connection::open(Carrier::Tls, {addresses->front(), port}, until);
    if (connection.has_error()) return std::move(connection).error();
    const auto secured = connection->secure(
        {where_.kubernetes_host, false, true, where_.account_directory + "/ca.crt"}, until);
    if (secured.has_error()) return secured.error();
    const HttpRequest request{"GET",
                              "/api/v1/nodes/" + where_.node,
                              where_.kubernetes_host,
                              {{"Authorization", "Bearer " + std::string(probe::trimmed(token.text))},
                               {"Accept", "application/json"}}};
    return ask(*connection, request, kMaxNodeBytes, until);
  }

  void ask_metadata() {
    const TimePoint until = deadline();
    std::string why = "metadata: no public address in what " + where_.metadata.to_string() + " knows";
    for (const MetadataService& service : metadata_services()) {
      if (net::now().mono >= until) break;
      const auto answer = ask_service(service);
      if (answer.has_error() && answer.error().unreachable_from_here)
        return remark("metadata: " + words(answer.error()));
      if (answer.has_error()) {
        why = "metadata: " + std::string(service.name) + ": " + words(answer.error());
        continue;
      }
      const auto address = answer->status == 200 ? address_in(answer->body) : std::nullopt;
      if (address && add(*address, "metadata of " + std::string(service.name))) return;
    }
    remark(std::move(why));
  }

  /// Unreachable: nobody serves metadata there.
  Result<HttpAnswer, Problem> ask_service(const MetadataService& service) const {
    HttpRequest request{"GET", std::string(service.target), where_.metadata.address.to_string()};
    if (!service.field.empty()) request.fields.emplace_back(service.field, service.value);
    if (!service.token_target.empty()) {
      const auto token = ask_metadata_for({"PUT",
                                           std::string(service.token_target),
                                           request.host,
                                           {{std::string(service.token_life_field), "60"}}});
      if (token.has_error()) return token.error();
      if (token->status != 200) return HttpAnswer{token->status, {}};
      request.fields.emplace_back(service.token_field, probe::printable(token->body, kMaxAnswerBytes));
    }
    return ask_metadata_for(request);
  }

  Result<HttpAnswer, Problem> ask_metadata_for(const HttpRequest& request) const {
    const TimePoint until = net::now().mono + std::min<Duration>(options_.timeout, kMetadataLimit);
    auto connection = Connection::open(Carrier::Tcp, where_.metadata, until);
    if (connection.has_error())
      return Problem{"nobody at " + where_.metadata.to_string() + ": " + connection.error().what,
                     "this is no cloud that has such a service, or a network policy denies it", true};
    return ask(*connection, request, kMaxAnswerBytes, until);
  }

  void ask_stun() {
    const auto url = probe::parse_url(options_.stun_server);
    if (url.has_error()) return remark("stun: relay.discover_stun: " + url.error().text);
    const TimePoint until = deadline();
    const auto addresses = probe::resolve(url->host, until);
    if (addresses.has_error()) return remark("stun: " + url->host + ": " + words(addresses.error()));
    std::size_t left = addresses->size();
    for (const IpAddress& server : *addresses) {
      // One that is silent leaves the others their time.
      const Duration share = (until - net::now().mono) / static_cast<std::int64_t>(left--);
      if (has(server.family()) || !listens_on(server.family())) continue;
      const auto mapped = mapped_address({server, url->port}, *url, net::now().mono + share);
      if (mapped.has_error()) {
        remark("stun: " + url->host + " at " + server.to_string() + ": " + words(mapped.error()));
      } else {
        add(*mapped, "STUN server " + url->host);
      }
    }
  }

  Result<IpAddress, Problem> mapped_address(const Endpoint& server, const probe::Url& url,
                                            TimePoint until) const {
    auto connection = Connection::open(url.carrier, server, until, bound(server.address.family()));
    if (connection.has_error()) return std::move(connection).error();
    if (probe::is_secure(url.carrier)) {
      const auto secured = connection->secure({url.host}, until);
      if (secured.has_error()) return secured.error();
    }
    const auto mapped = probe::ask_mapped_address(*connection, until - net::now().mono);
    if (mapped.has_error()) return mapped.error();
    if (!is_usable(mapped->address.address))
      return Problem{"it sees us as " + mapped->address.to_string(), "ask a server outside of this network"};
    return mapped->address.address;
  }

  const config::DiscoverOptions& options_;
  const std::vector<IpAddress>& bind_;
  const Surroundings& where_;
  Discovery out_;
};

}  // namespace

Surroundings Surroundings::of_this_process() {
  Surroundings out;
  out.metadata = {IpAddress::v4(169, 254, 169, 254), 80};
  out.kubernetes_host = variable("KUBERNETES_SERVICE_HOST");
  out.kubernetes_port = variable("KUBERNETES_SERVICE_PORT");
  out.node = variable("NODE_NAME");
  out.account_directory = "/var/run/secrets/kubernetes.io/serviceaccount";
  return out;
}

Discovery discover(const config::DiscoverOptions& options, const std::vector<IpAddress>& bind,
                   const Surroundings& surroundings) {
  return Search(options, bind, surroundings).run();
}

std::string fill_discovered(config::Config& config) {
  if (!config.turn.enabled || config.discover.sources.empty()) return {};
  const Discovery discovery = discover(config.discover, config.net.bind, Surroundings::of_this_process());
  for (const Found& found : discovery.found) {
    config.turn.relay_addresses.push_back(found.address);
    log::info("external address", {{"address", found.address.advertised.to_string()},
                                   {"local", found.address.local.to_string()},
                                   {"source", found.source}});
  }
  std::string all;
  for (const std::string& remark : discovery.remarks) {
    log::info("external address not found", {{"reason", remark}});
    all += "\n    " + remark;
  }
  if (!discovery.found.empty()) return {};
  return "relay.discover: expected the address that the internet reaches this host by, found none:" + all +
         "\n    Set relay.addresses instead, or mend what is said above.";
}

}  // namespace ts::app::external
