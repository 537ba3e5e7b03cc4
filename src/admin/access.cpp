// SPDX-License-Identifier: Apache-2.0
// Who may ask: Host, Origin, token, in this order.
#include <algorithm>

#include <nlohmann/json.hpp>

#include <turnstone/admin/api.hpp>
#include <turnstone/base/address.hpp>
#include <turnstone/base/hash.hpp>

namespace ts::admin {
namespace {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

/// "::1" of "[::1]:8081", "localhost" of "localhost:8081".
std::string_view name_of(std::string_view host) noexcept {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    return end == std::string_view::npos ? std::string_view() : host.substr(1, end - 1);
  }
  return host.substr(0, host.rfind(':'));
}

/// A name that anybody's DNS may lead here would let a page of that name's owner ask; an address is what it
/// is.
bool is_ours(std::string_view host, const Access& access) {
  const std::string_view name = name_of(host);
  if (name.empty()) return false;
  if (IpAddress::parse(name) || same(name, "localhost")) return true;
  return std::any_of(access.hosts.begin(), access.hosts.end(),
                     [&](const std::string& ours) { return same(ours, name); });
}

bool shows_token(std::string_view authorization, const Access& access) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!same(authorization.substr(0, kScheme.size()), kScheme)) return false;
  const std::string_view token = authorization.substr(kScheme.size());
  return !access.token.empty() && equal_constant_time(as_bytes(token), as_bytes(access.token));
}

}  // namespace

Response error(int status, std::string_view code, std::string_view message) {
  const nlohmann::json body{{"error", code}, {"message", message}};
  return Response{status, "application/json",
                  body.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + '\n'};
}

std::optional<Response> misdirected(const Request& request, const Access& access) {
  if (is_ours(request.host, access)) return std::nullopt;
  return error(421, "misdirected_request",
               "Host must be an address, localhost, or one of admin.allowed_hosts");
}

std::optional<Response> refuse(const Request& request, const Access& access) {
  if (auto wrong = misdirected(request, access)) return wrong;
  const bool of_page = !request.origin.empty() || same(request.fetch_site, "cross-site");
  const std::size_t scheme = request.origin.find("://");
  const bool own_page = !same(request.fetch_site, "cross-site") && scheme != std::string::npos &&
                        same(std::string_view(request.origin).substr(scheme + 3), request.host);
  if (of_page && !own_page) return error(403, "forbidden", "pages of other origins may not use this");
  if (!shows_token(request.authorization, access))
    return error(401, "unauthorized", "a valid token is needed: Authorization: Bearer TOKEN");
  return std::nullopt;
}

}  // namespace ts::admin
