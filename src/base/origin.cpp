// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <turnstone/base/origin.hpp>

namespace ts {
namespace {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr bool is_letter(char c) noexcept { return lower(c) >= 'a' && lower(c) <= 'z'; }

/// RFC 3986 §3.1.
bool is_scheme(std::string_view text) noexcept {
  return !text.empty() && is_letter(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
bool is_host(std::string_view text) noexcept {
  if (text.starts_with('[')) {
    if (text.size() < 4 || text.back() != ']') return false;
    text = text.substr(1, text.size() - 2);
    return std::all_of(text.begin(), text.end(), [](char c) {
      return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f') || c == ':' || c == '.';
    });
  }
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
  });
}

bool is_port(std::string_view text) noexcept {
  if (text.empty() || text.size() > 5 || text.front() == '0' ||
      !std::all_of(text.begin(), text.end(), is_digit))
    return false;
  return text.size() < 5 || text <= "65535";
}

/// RFC 6454 §4: a URI without a port has the default port of its scheme.
bool is_default_port(std::string_view scheme, std::string_view port) noexcept {
  const auto is = [&](std::string_view name) {
    return std::equal(scheme.begin(), scheme.end(), name.begin(), name.end(),
                      [](char a, char b) { return lower(a) == b; });
  };
  return (port == "443" && is("https")) || (port == "80" && is("http"));
}

}  // namespace

void Origin::add(std::string_view text) noexcept {
  for (const char c : text) text_[size_++] = lower(c);
}

std::optional<Origin> Origin::parse(std::string_view text) noexcept {
  if (text.size() > kMaxBytes) return std::nullopt;
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view scheme = text.substr(0, colon);
  std::string_view rest = text.substr(colon + 1);
  const std::string_view slashes = rest.starts_with("//") ? "//" : "";
  rest.remove_prefix(slashes.size());
  if (!slashes.empty() && rest.ends_with('/')) rest.remove_suffix(1);
  // The port's colon, which is none of an IPv6 address.
  const std::size_t bracket = rest.find(']');
  const std::size_t at = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const bool with_port = at != std::string_view::npos;
  const std::string_view host = rest.substr(0, at);
  const std::string_view port = with_port ? rest.substr(at + 1) : std::string_view();
  if (!is_scheme(scheme) || !is_host(host) || (with_port && !is_port(port))) return std::nullopt;

  Origin out;
  out.add(scheme);
  out.add(":");
  out.add(slashes);
  out.add(host);
  if (with_port && !is_default_port(scheme, port)) {
    out.add(":");
    out.add(port);
  }
  return out;
}

}  // namespace ts
