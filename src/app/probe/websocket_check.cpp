// SPDX-License-Identifier: Apache-2.0
// Signaling as a client begins it (docs/signaling.md): upgrade, hello, welcome, bye.
#include <nlohmann/json.hpp>

#include <turnstone/base/hash.hpp>

#include "checks.hpp"
#include "text.hpp"
#include "web_codec.hpp"

namespace ts::app::probe {
namespace {

using nlohmann::json;

constexpr std::string_view kSubprotocol = "signal.v1+json";
constexpr int kMaxIgnored = 32;

class WebSocket {
 public:
  WebSocket(Connection connection, const Target& target)
      : connection_(std::move(connection)), target_(target) {}

  Result<Note, Problem> upgrade();
  std::optional<Problem> send(Opcode opcode, std::string_view payload) {
    return connection_.send(make_frame(opcode, payload, random_.bytes<4>()), target_.settings.deadline());
  }
  /// The next text message; pings are answered.
  Result<std::string, Problem> receive(TimePoint deadline);

 private:
  /// More bytes into received_.
  std::optional<Problem> fill(TimePoint deadline);
  Result<Note, Problem> judge(const HttpHead& head, const std::string& key, std::string_view body) const;

  Connection connection_;
  const Target& target_;
  net::SystemRandom random_;
  Buffer received_;
};

std::optional<Problem> WebSocket::fill(TimePoint deadline) {
  auto more = connection_.receive_some(deadline);
  if (more.has_error()) return std::move(more).error();
  if (!more->has_value()) return Problem{"no answer in time", "check the server's load and log", false};
  received_.insert(received_.end(), (**more).begin(), (**more).end());
  return std::nullopt;
}

std::string remedy_for_status(unsigned status) {
  switch (status) {
    case 400: return "a proxy may drop the Upgrade header: let it pass WebSockets on";
    case 401: return "give --token with a signaling token of the server";
    case 403: return "the server refuses this origin, address or token";
    case 404: return "signaling is at /v1/ws; check the path, and that signaling is on";
    case 429: return "too many connections: wait";
    case 503: return "the server starts, drains or is full; or a proxy does not reach it";
    default: return "check the path and the server's log";
  }
}

Result<Note, Problem> WebSocket::judge(const HttpHead& head, const std::string& key,
                                       std::string_view body) const {
  if (head.status != 101) {
    const std::string text = printable(trimmed(body), 120);
    return Problem{"the server answers " + std::to_string(head.status) + (text.empty() ? "" : " " + text),
                   remedy_for_status(head.status), false};
  }
  if (head.field("Sec-WebSocket-Accept") != websocket_accept(key))
    return Problem{"wrong Sec-WebSocket-Accept", "something on the way answers instead of the server", false};
  if (head.field("Sec-WebSocket-Protocol") != kSubprotocol)
    return Problem{"the server does not speak signal.v1+json", "is this Turnstone's signaling port?", false};
  return Note{std::string(kSubprotocol), {}, false, {}};
}

Result<Note, Problem> WebSocket::upgrade() {
  const std::string key = base64(random_.bytes<16>());
  const Url& url = target_.url;
  const std::string path = url.target.empty() ? "/v1/ws" : url.target;
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: " + url.authority() +
      "\r\nUser-Agent: turnstone-probe\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
      key + "\r\nSec-WebSocket-Protocol: " + std::string(kSubprotocol) + "\r\n\r\n";
  const TimePoint deadline = target_.settings.deadline();
  if (auto problem = connection_.send(as_bytes(request), deadline)) return std::move(*problem);
  for (;;) {
    const std::string_view text = as_text(received_);
    const auto head = parse_http_head(text);
    if (head.has_error()) return Problem{head.error(), "check the port, and ws against wss", false};
    if (head->has_value()) {
      const std::size_t bytes = (**head).bytes;
      auto result = judge(**head, key, text.substr(bytes));
      received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(bytes));
      return result;
    }
    if (auto problem = fill(deadline)) return std::move(*problem);
  }
}

Problem closed(const std::string& payload) {
  if (payload.size() < 2) return {"the server closed the connection", "check the server's log", false};
  const unsigned code = load_be16(as_bytes(payload).data());
  const std::string text =
      "the server closed with " + std::to_string(code) + " " + printable(payload.substr(2), 120);
  switch (code) {
    case 4001: return {text, "give --token with a signaling token of the server", false};
    case 1001:
    case 1012: return {text, "the server stops or restarts: try again", false};
    case 4008: return {text, "a limit was hit: wait, and try again", false};
    default: return {text, "check the server's log", false};
  }
}

Result<std::string, Problem> WebSocket::receive(TimePoint deadline) {
  std::string message;
  for (;;) {
    auto frame = parse_frame(received_);
    if (frame.has_error())
      return Problem{"broken WebSocket: " + frame.error(), "check proxies on the way", false};
    if (!frame->has_value()) {
      if (auto problem = fill(deadline)) return std::move(*problem);
      continue;
    }
    const WebSocketFrame& front = **frame;
    received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(front.consumed_bytes));
    if (front.opcode == Opcode::Close) return closed(front.payload);
    if (front.opcode == Opcode::Ping) {
      if (auto problem = send(Opcode::Pong, front.payload.substr(0, 125))) return std::move(*problem);
    }
    if (front.opcode != Opcode::Text && front.opcode != Opcode::Continuation) continue;
    message += front.payload;
    if (message.size() > kMaxMessageBytes)
      return Problem{"a message that is too large", "check the server", false};
    if (front.final) return message;
  }
}

/// A member that is a string, printable; empty otherwise.
std::string text_member(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? printable(found->get_ref<const std::string&>(), 120)
                                                     : std::string();
}

/// The URLs of the welcome's ICE servers; their credentials are left where they are.
std::vector<std::string> ice_urls(const json& welcome) {
  constexpr std::size_t kMost = 32;
  std::vector<std::string> out;
  const auto ice = welcome.find("ice");
  if (ice == welcome.end() || !ice->is_object()) return out;
  const auto servers = ice->find("servers");
  if (servers == ice->end() || !servers->is_array()) return out;
  for (const json& server : *servers) {
    const auto urls = server.is_object() ? server.find("urls") : server.end();
    if (!server.is_object() || urls == server.end() || !urls->is_array()) continue;
    for (const json& url : *urls) {
      if (url.is_string() && out.size() < kMost)
        out.push_back(printable(url.get_ref<const std::string&>(), 200));
    }
  }
  return out;
}

Result<Note, Problem> welcomed(const json& message) {
  const std::vector<std::string> urls = ice_urls(message);
  Note note;
  note.detail = "peer " + text_member(message, "peer");
  std::string list;
  for (const std::string& url : urls) list.append(list.empty() ? " " : ", ").append(url);
  note.detail += urls.empty() ? "; no ICE servers handed out" : "; ICE servers:" + list;
  note.warning = urls.empty();
  if (note.warning)
    note.remedy = "clients will have no relay: set the server's ICE URLs, or its relay and secret";
  note.facts = {{"peer", text_member(message, "peer")}, {"ice_servers", urls}};
  return note;
}

Problem refused(const json& message) {
  const std::string code = text_member(message, "code");
  const std::string text = "refused: " + code + " " + text_member(message, "message");
  if (code == "unauthorized") return {text, "give --token with a signaling token of the server", false};
  if (code == "server_draining") return {text, "the server drains: try again, or probe another", false};
  return {text, "check the server's configuration and log", false};
}

Result<Note, Problem> hello(WebSocket& socket, const Settings& settings) {
  json greeting{{"t", "hello"}, {"v", 1}};
  if (!settings.token.empty()) greeting["token"] = settings.token;
  const std::string text = greeting.dump(-1, ' ', false, json::error_handler_t::replace);
  if (auto problem = socket.send(Opcode::Text, text)) return std::move(*problem);
  const TimePoint deadline = settings.deadline();
  for (int i = 0; i < kMaxIgnored; ++i) {
    const auto received = socket.receive(deadline);
    if (received.has_error()) return received.error();
    const json message = json::parse(*received, nullptr, false);
    if (!message.is_object())
      return Problem{"the server sent what is not JSON", "check the server's version", false};
    const std::string type = text_member(message, "t");
    if (type == "welcome") return welcomed(message);
    if (type == "error") return refused(message);
  }
  return Problem{"no welcome", "check the server's version", false};
}

Result<Note, Problem> bye(WebSocket& socket, const Settings& settings) {
  if (auto problem = socket.send(Opcode::Text, R"({"t":"bye"})")) return std::move(*problem);
  const TimePoint deadline = settings.deadline();
  for (int i = 0; i < kMaxIgnored; ++i) {
    const auto received = socket.receive(deadline);
    if (received.has_value()) continue;
    // The close that was asked for.
    const bool in_order = received.error().what.find("closed") != std::string::npos;
    if (!in_order) return received.error();
    return Note{};
  }
  return Note{};
}

}  // namespace

void check_websocket(Attempt& attempt, const Target& target) {
  auto connection = connect(attempt, target);
  if (!connection) return;
  WebSocket socket(std::move(*connection), target);
  if (!attempt.step("upgrade", [&] { return socket.upgrade(); })) return;
  if (!attempt.step("hello", [&] { return hello(socket, target.settings); })) return;
  attempt.step("bye", [&] { return bye(socket, target.settings); });
}

}  // namespace ts::app::probe
