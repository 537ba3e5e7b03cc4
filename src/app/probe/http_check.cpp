// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "checks.hpp"
#include "text.hpp"
#include "web_codec.hpp"

namespace ts::app::probe {
namespace {

struct Answer {
  unsigned status = 0;
  std::string body;
};

/// Bytes of the body that the head announces; as many as we take when it does not.
std::size_t announced(const HttpHead& head) {
  const std::string_view text = head.field("Content-Length");
  std::size_t length = kMaxBodyBytes;
  std::from_chars(text.data(), text.data() + text.size(), length);
  return std::min(length, kMaxBodyBytes);
}

Result<Answer, Problem> get(Connection& connection, const Url& url, const std::string& path,
                            TimePoint deadline) {
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + url.authority() +
                              "\r\nUser-Agent: turnstone-probe\r\nConnection: close\r\n\r\n";
  if (auto problem = connection.send(as_bytes(request), deadline)) return std::move(*problem);
  std::string text;
  for (;;) {
    auto head = parse_http_head(text);
    if (head.has_error()) return Problem{head.error(), "check the port, and http against https", false};
    const bool have_head = head->has_value();
    if (have_head && text.size() >= (**head).bytes + announced(**head))
      return Answer{(**head).status, text.substr((**head).bytes, kMaxBodyBytes)};
    auto more = connection.receive_some(deadline);
    if (have_head && more.has_error())
      return Answer{(**head).status, text.substr((**head).bytes, kMaxBodyBytes)};
    if (more.has_error()) return std::move(more).error();
    if (!more->has_value())
      return Problem{"no HTTP answer in time", "check that this port serves HTTP, and the server's load",
                     false};
    text.append(as_text(**more));
  }
}

std::string remedy_for(const std::string& path, unsigned status) {
  if (status == 503 && path == "/readyz")
    return "the server lives, but wants no new clients: it starts or drains";
  if (status == 404) return "nothing is served there: is this the port of Turnstone's HTTP?";
  return "check the server's log";
}

Result<Note, Problem> judge(const std::string& path, const Answer& answer) {
  const std::string body = printable(trimmed(answer.body), 120);
  const std::string what = std::to_string(answer.status) + (body.empty() ? "" : " " + body);
  if (answer.status < 200 || answer.status > 299)
    return Problem{what, remedy_for(path, answer.status), false};
  return Note{what, {{"status", std::int64_t{answer.status}}}, false, {}};
}

}  // namespace

void check_http(Attempt& attempt, const Target& target) {
  auto connection = connect(attempt, target);
  if (!connection) return;
  std::vector<std::string> paths{"/healthz", "/readyz"};
  if (!target.url.target.empty()) paths = {target.url.target};
  for (const std::string& path : paths) {
    const std::string title = "GET " + path.substr(0, path.find('?'));
    attempt.step(printable(title, 40), [&]() -> Result<Note, Problem> {
      if (!connection) {
        auto again = connect_quietly(target);
        if (again.has_error()) return std::move(again).error();
        connection.emplace(std::move(*again));
      }
      auto answer = get(*connection, target.url, path, target.settings.deadline());
      connection.reset();
      if (answer.has_error()) return std::move(answer).error();
      return judge(path, *answer);
    });
  }
}

}  // namespace ts::app::probe
