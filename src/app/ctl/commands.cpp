// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

namespace ts::app::ctl {
namespace {

const Flag kReason{"--reason", "TEXT", "For the members"};

std::vector<CommandInfo> make_commands() {
  return {
      {"status", "What runs, and how much there is to do", {}, {}, nullptr, {}},
      {"allocations",
       "Live allocations",
       {},
       {{"--user", "NAME", "Of this user"},
        {"--realm", "NAME", "In this realm"},
        {"--room", "NAME", "Of this room, by the credential's policy"},
        {"--member", "NAME", "Of this member, by the credential's policy"},
        {"--client", "CIDR", "Of clients at this address or in this network"},
        {"--transport", "NAME", "udp, tcp, tls or dtls"}},
       "allocations",
       {{"id", "ID"},
        {"user", "USER"},
        {"client", "CLIENT"},
        {"transport", "VIA"},
        {"relayed", "RELAYED"},
        {"age_seconds", "AGE"},
        {"left_seconds", "LEFT"},
        {"to_peer", "TO PEER"},
        {"to_client", "TO CLIENT"}}},
      {"top",
       "The allocations that relay the most",
       {},
       {},
       "allocations",
       {{"id", "ID"},
        {"user", "USER"},
        {"client", "CLIENT"},
        {"transport", "VIA"},
        {"bits_per_second", "BIT/S"},
        {"packets_per_second", "PACKETS/S"},
        {"measured_seconds", "OVER"},
        {"age_seconds", "AGE"}}},
      {"allocation", "One allocation with permissions and channels", {"ID"}, {}, nullptr, {}},
      {"end", "End an allocation; to keep its client out, revoke", {"ID"}, {}, nullptr, {}},
      {"rooms",
       "Rooms of signaling",
       {},
       {{"--prefix", "TEXT", "Whose names begin so"}},
       "rooms",
       {{"room", "ROOM"}, {"members", "MEMBERS"}, {"size", "SIZE"}, {"locked", "LOCKED"}}},
      {"members",
       "Members of a room",
       {"ROOM"},
       {},
       "members",
       {{"peer", "PEER"},
        {"subject", "SUBJECT"},
        {"client", "CLIENT"},
        {"dialect", "DIALECT"},
        {"lost", "LOST"}}},
      {"kick", "Remove a member from a room", {"ROOM", "PEER"}, {kReason}, nullptr, {}},
      {"close-room", "End all memberships of a room", {"ROOM"}, {kReason}, nullptr, {}},
      {"revoke",
       "Let a credential, user, room or member in no more, and end its allocations",
       {"KIND", "NAME"},
       {{"--until", "SECONDS", "Since 1970; left out: until it expires, or for a day"}},
       nullptr,
       {}},
      {"drain", "Take no new clients, and ask those of signaling to go elsewhere", {}, {}, nullptr, {}},
      {"undrain", "Welcome clients again", {}, {}, nullptr, {}},
      {"reload", "Read configuration, certificates and secrets anew", {}, {}, nullptr, {}},
      {"log-level", "Show or set the least severe lines that are written", {"[LEVEL]"}, {}, nullptr, {}},
      {"config", "The effective configuration; secrets are shown as ***", {}, {}, nullptr, {}},
      {"openapi", "The OpenAPI document of the admin API", {}, {}, nullptr, {}},
  };
}

/// RFC 3986 §2.1, of everything but unreserved characters.
std::string encode(std::string_view text) {
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (kUnreserved.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    }
  }
  return out;
}

std::string query_of(const CtlOptions& options, const std::string& cursor) {
  std::string out;
  const auto add = [&out](const std::string& name, const std::string& value) {
    out += (out.empty() ? "?" : "&") + name + '=' + encode(value);
  };
  for (const auto& [name, value] : options.parameters) add(name, value);
  if (!cursor.empty()) add("cursor", cursor);
  return out;
}

/// A number as such; the server says what is wrong with anything else.
nlohmann::json count_of(const std::string& text) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size()) return text;
  return count;
}

std::string json_body(std::initializer_list<std::pair<const char*, nlohmann::json>> members) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [name, value] : members) {
    if (!value.is_null()) out[name] = value;
  }
  return out.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::span<const CommandInfo> commands() {
  static const std::vector<CommandInfo> kCommands = make_commands();
  return kCommands;
}

const CommandInfo* find_command(std::string_view name) {
  const auto all = commands();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const CommandInfo& c) { return c.name == name; });
  return found == all.end() ? nullptr : &*found;
}

Request request_for(const CtlOptions& options, const std::string& cursor) {
  const auto argument = [&](std::size_t i) {
    return i < options.arguments.size() ? options.arguments[i] : std::string();
  };
  const std::string& command = options.command;
  const std::string query = query_of(options, cursor);
  const std::string first = encode(argument(0));
  if (command == "top") return {"GET", "/v1/top", {}};
  if (command == "allocation") return {"GET", "/v1/allocations/" + first, {}};
  if (command == "end") return {"DELETE", "/v1/allocations/" + first, {}};
  // In the query, which nobody on the way makes another path of.
  const std::string more = query.empty() ? query : '&' + query.substr(1);
  if (command == "members") return {"GET", "/v1/members?room=" + first + more, {}};
  if (command == "close-room") return {"DELETE", "/v1/rooms?room=" + first + more, {}};
  if (command == "kick")
    return {"DELETE", "/v1/members?room=" + first + "&peer=" + encode(argument(1)) + more, {}};
  if (command == "revoke") {
    const auto until = options.parameters.find("until");
    const bool ends = until != options.parameters.end();
    return {"POST", "/v1/revocations",
            json_body({{"kind", argument(0)},
                       {"name", argument(1)},
                       {"until", ends ? count_of(until->second) : nlohmann::json()}})};
  }
  if (command == "drain") return {"POST", "/v1/drain", {}};
  if (command == "undrain") return {"DELETE", "/v1/drain", {}};
  if (command == "reload") return {"POST", "/v1/reload", {}};
  if (command == "log-level" && !options.arguments.empty())
    return {"PUT", "/v1/log-level", json_body({{"level", argument(0)}})};
  if (command == "openapi") return {"GET", "/v1/openapi.json", {}};
  return {"GET", "/v1/" + command + query, {}};
}

}  // namespace ts::app::ctl
