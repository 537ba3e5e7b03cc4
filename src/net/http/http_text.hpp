// SPDX-License-Identifier: Apache-2.0
// Small texts of HTTP: percent-encoding, entity tags, response heads, JSON strings. Pure; knows no socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <turnstone/base/time.hpp>
#include <turnstone/net/http_server.hpp>

namespace ts::net::http_text {

/// RFC 3986 §2.1; '+' is a space. Nothing when an escape is broken. Never longer than the input.
enum class Plus : bool { Space, Itself };
std::optional<std::string> percent_decode(std::string_view text, Plus plus = Plus::Space);

/// The first parameter of that name in `a=b&c=d`, decoded; nothing when it is absent or broken.
std::optional<std::string> query_parameter(std::string_view query, std::string_view name);

/// ASCII letters without regard to case.
bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

/// True when a comma-separated list of tokens has this one (any case).
bool has_token(std::string_view list, std::string_view token) noexcept;

/// RFC 9110 §13.1.2: does If-None-Match name this strong tag?
bool matches_etag(std::string_view if_none_match, std::string_view etag) noexcept;

/// The text in quotes, escaped (RFC 8259 §7). The text should be UTF-8.
std::string json_string(std::string_view text);

/// {"error":code,"message":text}.
HttpResponse error(unsigned status, std::string_view code, std::string_view message);

std::string_view reason_phrase(unsigned status) noexcept;

/// RFC 9110 §5.6.7.
std::string http_date(WallTime time);

/// Scheme of `tls` and this Host: is `origin` (RFC 6454 §6.2) a page of the same authority? The scheme is not
/// compared, since a proxy in front may have ended TLS.
bool same_host(std::string_view origin, std::string_view host) noexcept;

/// What tells the end of the body: its length, an empty chunk, or the end of the stream.
enum class Body : std::uint8_t { Length, Chunked, UntilClose };

struct Head {
  bool http_1_0 = false;
  bool close = false;
  Body body = Body::Length;
  WallTime date;
};
/// Status line and fields with the empty line at the end.
std::string response_head(const HttpResponse& response, const Head& head);

/// True when the response brings a field of that name (any case).
bool has_field(const HttpResponse& response, std::string_view name) noexcept;

/// What is sent as the body.
inline std::string_view body_of(const HttpResponse& response) noexcept {
  return response.static_body.empty() ? std::string_view(response.body) : response.static_body;
}

}  // namespace ts::net::http_text
