// SPDX-License-Identifier: Apache-2.0
#include "http_client.hpp"

#include <algorithm>
#include <charconv>

#include "text.hpp"

namespace ts::app::probe {
namespace {

/// Chunks of a few bytes each are as good as nonsense.
constexpr std::size_t kMostWireBytesPerByte = 4;

std::string to_text(const HttpRequest& request) {
  std::string out = request.method + ' ' + request.target + " HTTP/1.1\r\nHost: " + request.host +
                    "\r\nUser-Agent: turnstone\r\nConnection: close\r\n";
  for (const auto& [name, value] : request.fields) out.append(name).append(": ").append(value).append("\r\n");
  if (request.method != "GET") out += "Content-Length: 0\r\n";
  return out + "\r\n";
}

/// A body, as far as it came.
struct Body {
  std::string text;
  bool whole = false;
  /// Its end is when the server closes.
  bool open_ended = false;
};

std::optional<Body> body_of(const HttpHead& head, std::string_view rest, std::size_t most) {
  if (to_lower(head.field("Transfer-Encoding")) == "chunked") {
    auto chunks = join_chunks(rest);
    if (!chunks) return std::nullopt;
    return Body{chunks->body.substr(0, most), chunks->whole || chunks->body.size() >= most};
  }
  const std::string_view field = head.field("Content-Length");
  std::size_t length = most;
  const auto [stop, error] = std::from_chars(field.data(), field.data() + field.size(), length);
  if (!field.empty() && (error != std::errc{} || stop != field.data() + field.size())) return std::nullopt;
  length = std::min(length, most);
  return Body{std::string(rest.substr(0, length)), rest.size() >= length, field.empty()};
}

/// The answer in what came so far; nothing while more may come. `closed`: nothing more will.
Result<std::optional<HttpAnswer>, Problem> answer_in(std::string_view text, std::size_t most, bool closed) {
  const auto head = parse_http_head(text);
  if (head.has_error()) return Problem{head.error(), "check the port, and http against https"};
  if (!head->has_value()) return std::optional<HttpAnswer>();
  auto body = body_of(**head, text.substr((**head).bytes), most);
  if (!body) return Problem{"malformed HTTP body", "check that this is the server that was meant"};
  // What was cut short may look whole: an address without its last digit.
  const bool whole = body->whole || (closed && body->open_ended);
  if (!whole) return std::optional<HttpAnswer>();
  return std::optional<HttpAnswer>(HttpAnswer{(**head).status, std::move(body->text)});
}

}  // namespace

Result<HttpAnswer, Problem> ask(Connection& connection, const HttpRequest& request, std::size_t max_body,
                                TimePoint deadline) {
  const std::string asked = to_text(request);
  if (auto problem = connection.send(as_bytes(asked), deadline)) return std::move(*problem);
  std::string text;
  for (;;) {
    auto more = connection.receive_some(deadline);
    const bool closed = more.has_error();
    if (!closed && !more->has_value())
      return Problem{"no HTTP answer in time", "check that this port serves HTTP, and the server's load"};
    if (!closed) text.append(as_text(**more));
    if (text.size() > kMaxHeadBytes + kMostWireBytesPerByte * max_body)
      return Problem{"the HTTP answer is too long", "check that this is the server that was meant"};
    auto answer = answer_in(text, max_body, closed);
    if (answer.has_error()) return std::move(answer).error();
    if (answer->has_value()) return std::move(**answer);
    if (closed) return std::move(more).error();
  }
}

}  // namespace ts::app::probe
