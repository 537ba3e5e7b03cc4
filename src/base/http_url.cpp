// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include <turnstone/base/address.hpp>
#include <turnstone/base/http_url.hpp>

namespace ts {
namespace {

constexpr std::size_t kMaxUrlBytes = 2048;
constexpr std::size_t kMaxHostBytes = 253;
constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

bool is_name_char(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
         c == '_';
}

/// Takes the host off the front; empty: there is none.
std::string take_host(std::string_view& rest) {
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return {};
    const std::string_view inside = rest.substr(1, end - 1);
    const auto address = IpAddress::parse(inside);
    if (!address || !address->is_v6()) return {};
    rest.remove_prefix(end + 1);
    return std::string(inside);
  }
  const auto end = std::find_if_not(rest.begin(), rest.end(), is_name_char);
  const auto size = static_cast<std::size_t>(end - rest.begin());
  if (size > kMaxHostBytes) return {};
  std::string out(rest.substr(0, size));
  rest.remove_prefix(size);
  return out;
}

/// Takes `:port` off the front, if it is there. False: it is not well-formed.
bool take_port(std::string_view& rest, std::uint16_t& port) noexcept {
  if (!rest.starts_with(':')) return true;
  rest.remove_prefix(1);
  const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), port);
  if (error != std::errc{} || port == 0) return false;
  rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));
  return true;
}

}  // namespace

std::optional<HttpUrl> HttpUrl::parse(std::string_view text) {
  HttpUrl out;
  if (text.size() > kMaxUrlBytes) return std::nullopt;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    out.tls = scheme.size() == 8;
    out.port = out.tls ? kHttpsPort : kHttpPort;
    text.remove_prefix(scheme.size());
    out.host = take_host(text);
    if (out.host.empty() || !take_port(text, out.port)) return std::nullopt;
    if (!text.empty() && text.front() != '/' && text.front() != '?') return std::nullopt;
    // Visible ASCII, so that nothing of it can end a request line.
    const bool clean =
        std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F && c != '#'; });
    if (!clean) return std::nullopt;
    out.target = text.starts_with('/') ? std::string(text) : '/' + std::string(text);
    return out;
  }
  return std::nullopt;
}

std::string HttpUrl::authority() const {
  std::string out = host.find(':') != std::string::npos ? '[' + host + ']' : host;
  if (port != (tls ? kHttpsPort : kHttpPort)) out += ':' + std::to_string(port);
  return out;
}

bool HttpUrl::is_loopback() const {
  const auto address = IpAddress::parse(host);
  return address ? address->is_loopback() : host == "localhost";
}

}  // namespace ts
