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

/// Bytes of the body that the head announces; as many as we take when it does not.
std::size_t announced(const HttpHead& head, std::size_t most) {
  const std::string_view text = head.field("Content-Length");
  std::size_t length = most;
  std::from_chars(text.data(), text.data() + text.size(), length);
  return std::min(length, most);
}

/// The answer in what came so far; nothing while more may come. `closed`: nothing more will.
Result<std::optional<HttpAnswer>, Problem> answer_in(std::string_view text, std::size_t most, bool closed) {
  auto head = parse_http_head(text);
  if (head.has_error()) return Problem{head.error(), "check the port, and http against https"};
  if (!head->has_value()) return std::optional<HttpAnswer>();
  const std::string_view body = text.substr((**head).bytes);
  const unsigned status = (**head).status;
  if (to_lower((**head).field("Transfer-Encoding")) == "chunked") {
    auto chunks = join_chunks(body);
    if (!chunks) return Problem{"malformed HTTP chunks", "check that this is the server that was meant"};
    const bool whole = chunks->whole || chunks->body.size() >= most || closed;
    if (!whole) return std::optional<HttpAnswer>();
    return std::optional<HttpAnswer>(HttpAnswer{status, chunks->body.substr(0, most)});
  }
  if (!closed && body.size() < announced(**head, most)) return std::optional<HttpAnswer>();
  return std::optional<HttpAnswer>(HttpAnswer{status, std::string(body.substr(0, announced(**head, most)))});
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
