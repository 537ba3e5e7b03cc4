// SPDX-License-Identifier: Apache-2.0
#include "checks.hpp"

namespace ts::app::probe {
namespace {

TlsSettings tls_settings(const Target& target) {
  const bool http = target.url.service == Service::WebSocket || target.url.service == Service::Http;
  return {target.url.host, target.settings.insecure, http};
}

void check_at(Attempt& attempt, const Target& target) {
  switch (target.url.service) {
    case Service::Stun: return check_stun(attempt, target);
    case Service::Turn: return check_turn(attempt, target);
    case Service::WebSocket: return check_websocket(attempt, target);
    case Service::Http: return check_http(attempt, target);
  }
}

std::string join(const std::vector<IpAddress>& addresses) {
  std::string out;
  for (const IpAddress& address : addresses) out.append(out.empty() ? "" : ", ").append(address.to_string());
  return out;
}

/// Both families of addresses, so that a reader sees what a dual-stack client would try.
std::string families(const std::vector<IpAddress>& addresses) {
  bool v4 = false;
  bool v6 = false;
  for (const IpAddress& address : addresses) (address.is_v4() ? v4 : v6) = true;
  return v4 && v6 ? " (IPv4 and IPv6)" : v4 ? " (IPv4)" : " (IPv6)";
}

}  // namespace

Result<Connection, Problem> connect_quietly(const Target& target) {
  auto connection = Connection::open(target.url.carrier, target.server, target.settings.deadline());
  if (connection.has_error() || !is_secure(target.url.carrier)) return connection;
  auto secured = connection->secure(tls_settings(target), target.settings.deadline());
  if (secured.has_error()) return std::move(secured).error();
  return connection;
}

std::optional<Connection> connect(Attempt& attempt, const Target& target) {
  std::optional<Connection> out;
  const auto open = [&]() -> Result<Note, Problem> {
    auto connection = Connection::open(target.url.carrier, target.server, target.settings.deadline());
    if (connection.has_error()) return std::move(connection).error();
    out.emplace(std::move(*connection));
    return Note{};
  };
  if (is_stream(target.url.carrier)) {
    if (!attempt.step("connect", open)) return std::nullopt;
  } else {
    const TimePoint begin = net::now().mono;
    auto opened = open();
    if (opened.has_error()) attempt.record("socket", net::now().mono - begin, std::move(opened).error());
  }
  if (!out || !is_secure(target.url.carrier)) return out;
  const bool secured = attempt.step(out->is_stream() ? "tls" : "dtls", [&] {
    return out->secure(tls_settings(target), target.settings.deadline());
  });
  if (!secured) return std::nullopt;
  return out;
}

void check_stun(Attempt& attempt, const Target& target) {
  auto connection = connect(attempt, target);
  if (connection)
    attempt.step("binding", [&] { return check_binding(*connection, target.settings.timeout); });
}

Report check(const std::string& text, const Settings& settings) {
  Report report;
  report.url = redacted(text);
  Attempt& start = report.attempt({}, {});
  const auto url = parse_url(text);
  if (url.has_error()) {
    start.record("url", Duration{},
                 Problem{url.error().text, "see docs/probe.md for the forms there are", false});
    report.conclude();
    return report;
  }
  std::vector<IpAddress> addresses;
  start.step("resolve", [&]() -> Result<Note, Problem> {
    auto resolved = resolve(url->host, settings.deadline());
    if (resolved.has_error()) return std::move(resolved).error();
    addresses = std::move(*resolved);
    return Note{join(addresses) + families(addresses), {}, false, {}};
  });
  for (const IpAddress& address : addresses) {
    const Endpoint server{address, url->port};
    check_at(report.attempt(server.to_string(), name(url->carrier)), Target{*url, server, settings});
  }
  report.conclude();
  return report;
}

}  // namespace ts::app::probe
