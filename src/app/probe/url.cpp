// SPDX-License-Identifier: Apache-2.0
#include "url.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <turnstone/base/address.hpp>

#include "text.hpp"

namespace ts::app::probe {
namespace {

constexpr std::size_t kMaxUrlBytes = 2048;
constexpr std::size_t kMaxHostBytes = 253;

struct Scheme {
  std::string_view text;
  Service service;
  Carrier carrier;
  std::uint16_t port;
};

constexpr std::array<Scheme, 8> kSchemes{{
    {"stun", Service::Stun, Carrier::Udp, 3478},
    {"stuns", Service::Stun, Carrier::Tls, 5349},
    {"turn", Service::Turn, Carrier::Udp, 3478},
    {"turns", Service::Turn, Carrier::Tls, 5349},
    {"ws", Service::WebSocket, Carrier::Tcp, 80},
    {"wss", Service::WebSocket, Carrier::Tls, 443},
    {"http", Service::Http, Carrier::Tcp, 80},
    {"https", Service::Http, Carrier::Tls, 443},
}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_host_char(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
}

const Scheme* find_scheme(std::string_view text) {
  const std::string lower = to_lower(text);
  const auto found = std::find_if(kSchemes.begin(), kSchemes.end(),
                                  [&lower](const Scheme& scheme) { return scheme.text == lower; });
  return found == kSchemes.end() ? nullptr : &*found;
}

std::optional<UrlError> check_host(std::string_view host) {
  if (host.empty()) return UrlError{"the host is missing"};
  if (host.size() > kMaxHostBytes) return UrlError{"the host name is longer than 253 characters"};
  if (!std::all_of(host.begin(), host.end(), is_host_char))
    return UrlError{"the host name has a character that host names cannot have"};
  if (host.front() == '.' || host.front() == '-' || host.find("..") != std::string_view::npos)
    return UrlError{"the host name is malformed"};
  const bool numeric = std::all_of(host.begin(), host.end(), [](char c) { return is_digit(c) || c == '.'; });
  if (numeric && !IpAddress::parse(host)) return UrlError{"the IPv4 address is malformed"};
  return std::nullopt;
}

/// Splits "host", "host:port", "[v6]", "[v6]:port" into the URL's fields.
std::optional<UrlError> read_authority(std::string_view text, Url& url) {
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return UrlError{"the closing bracket of the IPv6 address is missing"};
    const auto address = IpAddress::parse(text.substr(1, end - 1));
    if (!address || !address->is_v6()) return UrlError{"in the brackets there is no IPv6 address"};
    url.host = address->to_string();
    const std::string_view rest = text.substr(end + 1);
    has_port = !rest.empty();
    if (has_port && rest.front() != ':')
      return UrlError{"behind the bracket only a colon and a port may follow"};
    port = has_port ? rest.substr(1) : rest;
  } else {
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos && text.find(':', colon + 1) != std::string_view::npos)
      return UrlError{"an IPv6 address belongs in brackets: [2001:db8::1]:3478"};
    has_port = colon != std::string_view::npos;
    port = has_port ? text.substr(colon + 1) : std::string_view{};
    url.host = std::string(text.substr(0, colon));
    if (auto error = check_host(url.host)) return error;
  }
  if (!has_port) return std::nullopt;
  const char* end = port.data() + port.size();
  const auto [stop, error] = std::from_chars(port.data(), end, url.port);
  if (port.empty() || error != std::errc{} || stop != end || url.port == 0)
    return UrlError{"the port is not a number from 1 to 65535"};
  return std::nullopt;
}

std::optional<UrlError> read_transport(std::string_view query, Url& url) {
  const bool known = query.starts_with("transport=");
  if (!known) return UrlError{"the only parameter there is is ?transport=udp or ?transport=tcp"};
  const std::string value = to_lower(query.substr(10));
  if (value != "udp" && value != "tcp") return UrlError{"transport is udp or tcp"};
  if (url.carrier == Carrier::Tls && value == "udp") url.carrier = Carrier::Dtls;
  if (url.carrier == Carrier::Udp && value == "tcp") url.carrier = Carrier::Tcp;
  return std::nullopt;
}

/// stun:, turn: — there are no slashes, no path and no user.
std::optional<UrlError> read_opaque(std::string_view rest, Url& url) {
  if (rest.starts_with("//")) return UrlError{"no // follows the scheme: write stun:host or turn:host:port"};
  const std::size_t question = rest.find('?');
  const std::string_view authority = rest.substr(0, question);
  if (authority.find('@') != std::string_view::npos)
    return UrlError{"no user stands in the URL; use --user and --password"};
  if (authority.find('/') != std::string_view::npos) return UrlError{"there is no path in such a URL"};
  if (auto error = read_authority(authority, url)) return error;
  if (question == std::string_view::npos) return std::nullopt;
  return read_transport(rest.substr(question + 1), url);
}

std::optional<UrlError> read_hierarchical(std::string_view rest, Url& url) {
  if (!rest.starts_with("//")) return UrlError{"// must follow the scheme"};
  rest = rest.substr(0, rest.find('#')).substr(2);
  const std::size_t end = rest.find_first_of("/?");
  const std::string_view authority = rest.substr(0, end);
  if (authority.find('@') != std::string_view::npos) return UrlError{"no user may stand in the URL"};
  if (auto error = read_authority(authority, url)) return error;
  if (end == std::string_view::npos) return std::nullopt;
  url.target = (rest[end] == '?' ? "/" : "") + std::string(rest.substr(end));
  if (url.target == "/") url.target.clear();
  return std::nullopt;
}

}  // namespace

std::string_view name(Carrier carrier) noexcept {
  switch (carrier) {
    case Carrier::Udp: return "UDP";
    case Carrier::Tcp: return "TCP";
    case Carrier::Tls: return "TLS";
    case Carrier::Dtls: return "DTLS";
  }
  return "";
}

std::string Url::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

Result<Url, UrlError> parse_url(std::string_view text) {
  if (text.size() > kMaxUrlBytes) return UrlError{"the URL is longer than 2048 characters"};
  const bool visible = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!visible) return UrlError{"the URL has a space or a character outside ASCII"};
  const std::size_t colon = text.find(':');
  const Scheme* scheme = colon == std::string_view::npos ? nullptr : find_scheme(text.substr(0, colon));
  if (scheme == nullptr)
    return UrlError{"the URL must begin with stun:, stuns:, turn:, turns:, ws:, wss:, http: or https:"};
  Url url{scheme->service, scheme->carrier, {}, scheme->port, {}};
  const bool opaque = scheme->service == Service::Stun || scheme->service == Service::Turn;
  const std::string_view rest = text.substr(colon + 1);
  if (auto error = opaque ? read_opaque(rest, url) : read_hierarchical(rest, url)) return std::move(*error);
  return url;
}

std::string redacted(std::string_view text) {
  const std::size_t question = text.find('?');
  std::string out(text.substr(0, question));
  if (const std::size_t at = out.rfind('@'); at != std::string::npos) {
    const std::size_t colon = out.find(':');
    const std::size_t begin = colon < at ? colon + 1 : 0;
    out.replace(begin, at - begin, "***");
  }
  if (question != std::string_view::npos) {
    const std::string_view query = text.substr(question);
    out.append(query.starts_with("?transport=") ? query : std::string_view("?***"));
  }
  return printable(out);
}

}  // namespace ts::app::probe
