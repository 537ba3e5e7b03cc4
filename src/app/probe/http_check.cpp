// SPDX-License-Identifier: Apache-2.0
#include "checks.hpp"
#include "http_client.hpp"
#include "text.hpp"

namespace ts::app::probe {
namespace {

std::string remedy_for(const std::string& path, unsigned status) {
  if (status == 503 && path == "/readyz")
    return "the server lives, but wants no new clients: it starts or drains";
  if (status == 404) return "nothing is served there: is this the port of Turnstone's HTTP?";
  return "check the server's log";
}

Result<Note, Problem> judge(const std::string& path, const HttpAnswer& answer) {
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
      const HttpRequest request{"GET", path, target.url.authority()};
      auto answer = ask(*connection, request, kMaxBodyBytes, target.settings.deadline());
      connection.reset();
      if (answer.has_error()) return std::move(answer).error();
      return judge(path, *answer);
    });
  }
}

}  // namespace ts::app::probe
