// SPDX-License-Identifier: Apache-2.0
#include <turnstone/base/http_url.hpp>
#include <turnstone/base/redis_url.hpp>

namespace ts {
namespace {

/// The same place with another scheme: what stands behind it has the same grammar (RFC 3986 §3.2).
std::string as_http(std::string_view authority) {
  const bool has_port = authority.rfind(':') != std::string_view::npos && !authority.ends_with(']');
  return "http://" + std::string(authority) + (has_port ? "" : ":6379");
}

}  // namespace

std::optional<RedisUrl> RedisUrl::parse(std::string_view text) {
  RedisUrl out;
  if (text.starts_with("rediss://")) {
    out.tls = true;
    text.remove_prefix(9);
  } else if (text.starts_with("redis://")) {
    text.remove_prefix(8);
  } else {
    return std::nullopt;
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  if (text.empty() || text.find_first_of("/?#@") != std::string_view::npos) return std::nullopt;
  const auto url = HttpUrl::parse(as_http(text));
  if (!url) return std::nullopt;
  out.host = url->host;
  out.port = url->port;
  return out;
}

bool RedisUrl::is_loopback() const {
  HttpUrl url;
  url.host = host;
  return url.is_loopback();
}

}  // namespace ts
