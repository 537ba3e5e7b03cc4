// SPDX-License-Identifier: Apache-2.0
#include "http_text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include <turnstone/base/hex.hpp>

namespace ts::net {

std::string_view HttpRequest::header(std::string_view name) const noexcept {
  for (const auto& [field, value] : fields) {
    if (http_text::equal_ignoring_case(field, name)) return value;
  }
  return {};
}

std::optional<std::string> HttpRequest::parameter(std::string_view name) const {
  return http_text::query_parameter(query, name);
}

}  // namespace ts::net

namespace ts::net::http_text {
namespace {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Takes what stands before `separator` off the front.
std::string_view take_until(std::string_view& text, char separator) noexcept {
  const std::size_t at = std::min(text.find(separator), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

/// A default port says nothing.
std::string_view without_default_port(std::string_view authority) noexcept {
  for (const std::string_view port : {std::string_view(":80"), std::string_view(":443")}) {
    if (authority.ends_with(port)) return authority.substr(0, authority.size() - port.size());
  }
  return authority;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' && plus == Plus::Space ? ' ' : text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::optional<std::string> query_parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    std::string_view value = take_until(query, '&');
    const auto key = percent_decode(take_until(value, '='));
    if (key && *key == name) return percent_decode(value);
  }
  return std::nullopt;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool has_token(std::string_view list, std::string_view token) noexcept {
  while (!list.empty()) {
    if (equal_ignoring_case(trim(take_until(list, ',')), token)) return true;
  }
  return false;
}

bool matches_etag(std::string_view if_none_match, std::string_view etag) noexcept {
  while (!if_none_match.empty()) {
    std::string_view candidate = trim(take_until(if_none_match, ','));
    if (candidate == "*") return true;
    if (candidate.starts_with("W/")) candidate.remove_prefix(2);
    if (candidate == etag) return true;
  }
  return false;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  return out += '"';
}

HttpResponse error(unsigned status, std::string_view code, std::string_view message) {
  return HttpResponse(status, "application/json",
                      "{\"error\":" + json_string(code) + ",\"message\":" + json_string(message) + "}\n");
}

std::string_view reason_phrase(unsigned status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Status";
  }
}

std::string http_date(WallTime time) {
  static constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = time.time_since_epoch().count();
  std::tm t{};
  gmtime_r(&seconds, &t);
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                 kDays[static_cast<std::size_t>(t.tm_wday)], t.tm_mday,
                                 kMonths[static_cast<std::size_t>(t.tm_mon)], t.tm_year + 1900, t.tm_hour,
                                 t.tm_min, t.tm_sec);
  return {text.data(), static_cast<std::size_t>(size)};
}

bool same_host(std::string_view origin, std::string_view host) noexcept {
  const std::size_t at = origin.find("://");
  if (at == std::string_view::npos || host.empty()) return false;
  return equal_ignoring_case(without_default_port(origin.substr(at + 3)), without_default_port(host));
}

bool has_field(const HttpResponse& response, std::string_view name) noexcept {
  return std::any_of(response.fields.begin(), response.fields.end(),
                     [name](const auto& field) { return equal_ignoring_case(field.first, name); });
}

std::string response_head(const HttpResponse& response, const Head& head) {
  std::string out;
  out.reserve(640);
  const auto field = [&out](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  };
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  out.append(reason_phrase(response.status)).append("\r\n");
  field("Date", http_date(head.date));
  if (!response.content_type.empty()) field("Content-Type", response.content_type);
  // RFC 9110 §8.6: none with 204, and none needed with 304.
  if (head.body == Body::Chunked) {
    field("Transfer-Encoding", "chunked");
  } else if (head.body == Body::Length && response.status != 204 && response.status != 304) {
    field("Content-Length", std::to_string(body_of(response).size()));
  }
  if (head.close) {
    field("Connection", "close");
  } else if (head.http_1_0) {
    field("Connection", "keep-alive");
  }
  if (!has_field(response, "Content-Security-Policy")) {
    field("Content-Security-Policy",
          "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; style-src 'self'; "
          "script-src 'self'; media-src 'self' blob:");
  }
  field("X-Content-Type-Options", "nosniff");
  field("Referrer-Policy", "no-referrer");
  for (const auto& [name, value] : response.fields) field(name, value);
  return out.append("\r\n");
}

}  // namespace ts::net::http_text
