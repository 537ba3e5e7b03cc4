// SPDX-License-Identifier: Apache-2.0
// `turnstone ctl`: one request of the admin API, or the pages of a list, printed.
#include <charconv>
#include <iostream>
#include <sstream>
#include <thread>

#include <unistd.h>

#include <turnstone/app/cli.hpp>
#include <turnstone/config/load.hpp>

#include "ctl/commands.hpp"
#include "ctl/print.hpp"
#include "probe/checks.hpp"
#include "probe/text.hpp"
#include "probe/web_codec.hpp"

namespace ts::app {
namespace {

using ctl::Json;

constexpr int kFailure = 1;
constexpr std::size_t kMaxAnswerBytes = 16U << 20;
constexpr std::chrono::seconds kLookAgain{1};
/// So many looks in a row may bring nothing.
constexpr int kMostMisses = 10;

struct Answer {
  unsigned status = 0;
  std::string body;

  bool good() const noexcept { return status >= 200 && status < 300; }
};

/// Where the server is, and what it wants to see.
struct Access {
  probe::Url url;
  std::string token;
};

std::string first_line(const std::string& text) { return text.substr(0, text.find_first_of("\r\n")); }

/// The error is for the one who called.
Result<Access, std::string> access_of(const CtlOptions& options) {
  const config::LoadResult loaded =
      config::load_file(options.config_file, config::environment_from(environ), {});
  const config::AdminOptions& admin = loaded.config.admin;
  Access out;
  out.token = admin.token;
  if (!options.token_file.empty()) {
    const config::FileText file = config::read_file(options.token_file);
    if (!file.error.empty()) return "--token-file: " + options.token_file + ": " + file.error;
    out.token = first_line(file.text);
  }
  if (out.token.empty()) {
    std::string why = "no token of the admin API: give --config, --token-file, or TURNSTONE_ADMIN_TOKEN_FILE";
    if (!options.config_file.empty() && !loaded.ok()) why += "\n" + config::to_text(loaded.problems);
    return why;
  }
  std::string text = options.url;
  if (text.empty()) {
    const IpAddress loopback =
        admin.bind.is_v4() ? IpAddress::v4(127, 0, 0, 1) : IpAddress::parse("::1").value_or(IpAddress());
    const IpAddress at = admin.bind.is_unspecified() ? loopback : admin.bind;
    text = "http://" + Endpoint{at, admin.port}.to_string();
  }
  const auto url = probe::parse_url(text);
  if (url.has_error() || url->service != probe::Service::Http)
    return "--url: " + probe::redacted(text) + ": an http: or https: URL is needed";
  out.url = *url;
  return out;
}

/// Why there is no answer.
struct Silence {
  std::string what;
  /// Somebody was there, and did not say anything, or nothing that could be understood.
  bool reached = false;
};

Result<Answer, Silence> exchange(probe::Connection& connection, const std::string& request,
                                 TimePoint deadline) {
  if (auto problem = connection.send(as_bytes(request), deadline)) return Silence{problem->what, true};
  std::string text;
  for (;;) {
    auto head = probe::parse_http_head(text);
    if (head.has_error()) return Silence{head.error(), true};
    std::size_t length = 0;
    if (head->has_value()) {
      const std::string_view field = (**head).field("Content-Length");
      std::from_chars(field.data(), field.data() + field.size(), length);
      if (length > kMaxAnswerBytes) return Silence{"the answer is too long", true};
      if (text.size() >= (**head).bytes + length)
        return Answer{(**head).status, text.substr((**head).bytes, length)};
    }
    auto more = connection.receive_some(deadline);
    if (more.has_error()) return Silence{more.error().what, true};
    if (!more->has_value()) return Silence{"no answer in time", true};
    text.append(as_text(**more));
  }
}

Result<Answer, Silence> ask(const Access& access, const ctl::Request& request,
                            std::chrono::milliseconds timeout) {
  probe::Settings settings;
  settings.timeout = timeout;
  const TimePoint deadline = settings.deadline();
  auto addresses = probe::resolve(access.url.host, deadline);
  if (addresses.has_error()) return Silence{addresses.error().what};
  std::string text = request.method + ' ' + request.target + " HTTP/1.1\r\nHost: " + access.url.authority() +
                     "\r\nAuthorization: Bearer " + access.token + "\r\nConnection: close\r\n";
  if (!request.body.empty())
    text +=
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n";
  text += "\r\n" + request.body;
  std::string why = "no address";
  for (const IpAddress& address : *addresses) {
    const Endpoint server{address, access.url.port};
    auto connection = probe::connect_quietly(probe::Target{access.url, server, settings});
    if (connection.has_value()) return exchange(*connection, text, deadline);
    why = server.to_string() + ": " + connection.error().what;
  }
  return Silence{std::move(why)};
}

constexpr const char* kStranger = "that is no answer of the admin API";

/// Says what the server has to object.
int complain(const Answer& answer) {
  const Json body = Json::parse(answer.body, nullptr, false);
  const bool told = body.is_object() && body.contains("message") && body["message"].is_string();
  std::cerr << "turnstone: " << answer.status << ": "
            << probe::printable(told ? body["message"].get<std::string>() : answer.body) << '\n';
  if (told && body.contains("problems") && body["problems"].is_array()) {
    for (const Json& problem : body["problems"]) {
      std::istringstream text(problem.is_string() ? problem.get<std::string>() : problem.dump());
      for (std::string line; std::getline(text, line);)
        std::cerr << "  " << probe::printable(line, 2000) << '\n';
    }
  }
  return kFailure;
}

int fail(const std::string& why) {
  std::cerr << "turnstone: " << why << '\n';
  return kFailure;
}

class Session {
 public:
  Session(const CtlOptions& options, Access access) : options_(options), access_(std::move(access)) {}

  int run() {
    const ctl::CommandInfo* command = ctl::find_command(options_.command);
    if (command == nullptr) return fail("no such command: " + options_.command);
    if (command->list != nullptr) return list(*command);
    const auto answer = ask(access_, ctl::request_for(options_, {}), options_.timeout);
    if (answer.has_error()) return fail(answer.error().what);
    if (!answer->good()) return complain(*answer);
    const Json body = Json::parse(answer->body, nullptr, false);
    if (body.is_discarded()) return options_.command == "config" ? print_text(answer->body) : fail(kStranger);
    const bool raw = options_.json || options_.command == "openapi";
    std::cout << (raw ? ctl::json_text(body) : ctl::lines(body)) << std::flush;
    return options_.command == "drain" && options_.wait ? wait_for_end() : 0;
  }

 private:
  int list(const ctl::CommandInfo& command) {
    std::vector<Json> rows;
    std::string cursor;
    bool complete = true;
    do {
      const auto answer = ask(access_, ctl::request_for(options_, cursor), options_.timeout);
      if (answer.has_error()) return fail(answer.error().what);
      if (!answer->good()) return complain(*answer);
      const Json body = Json::parse(answer->body, nullptr, false);
      if (!body.is_object() || !body.contains(command.list)) return fail(kStranger);
      for (const Json& row : body[command.list]) rows.push_back(row);
      complete = complete && ctl::is_complete(body);
      const bool more = body.contains("next") && body["next"].is_string();
      cursor = more ? body["next"].get<std::string>() : std::string();
    } while (!cursor.empty());
    std::cout << (options_.json ? ctl::json_text(rows) : ctl::table(command.columns, rows)) << std::flush;
    if (!complete)
      std::cerr << "turnstone: not all allocations were looked at; others may relay more (the next look goes "
                   "on there)\n";
    return 0;
  }

  static int print_text(const std::string& text) {
    constexpr std::size_t kLongestLine = 65'536;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) std::cout << probe::printable(line, kLongestLine) << '\n';
    std::cout << std::flush;
    return 0;
  }

  /// Until neither allocations nor sessions are left. A server that has ended meanwhile (SIGTERM) has nothing
  /// left either; one that only has no time is asked again.
  int wait_for_end() {
    CtlOptions status = options_;
    status.command = "status";
    int misses = 0;
    for (bool none_before = false;;) {
      std::this_thread::sleep_for(kLookAgain);
      const auto answer = ask(access_, ctl::request_for(status, {}), options_.timeout);
      if (answer.has_error() || answer->status == 503) {
        if (++misses < kMostMisses) continue;
        if (answer.has_value()) return complain(*answer);
        if (answer.error().reached) return fail(answer.error().what);
        std::cout << "the server has ended: " << probe::printable(answer.error().what) << '\n' << std::flush;
        return 0;
      }
      misses = 0;
      if (!answer->good()) return complain(*answer);
      const Json body = Json::parse(answer->body, nullptr, false);
      const auto left = ctl::left_of(body);
      if (!left) return fail(kStranger);
      if (!body["draining"].get<bool>()) return fail("the server drains no more");
      if (*left == 0 && none_before) break;
      none_before = *left == 0;
    }
    std::cout << "drained\n" << std::flush;
    return 0;
  }

  const CtlOptions& options_;
  Access access_;
};

}  // namespace

int run_ctl(const CtlOptions& options) {
  auto access = access_of(options);
  if (access.has_error()) return fail(access.error());
  return Session(options, std::move(*access)).run();
}

}  // namespace ts::app
