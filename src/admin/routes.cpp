// SPDX-License-Identifier: Apache-2.0
// The table of routes, and what a request means by it.
#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

#include <turnstone/admin/api.hpp>
#include <turnstone/base/hex.hpp>

namespace ts::admin {
namespace {

using In = Parameter::In;
using Type = Parameter::Type;

std::vector<Parameter> paged(std::vector<Parameter> more) {
  more.push_back({In::Query,
                  "limit",
                  "How many at most, 1 to 1000; 100 if left out.",
                  false,
                  Type::Count,
                  {},
                  1,
                  kMaxPage});
  more.push_back(
      {In::Query, "cursor",
       "Where to go on: `next` of the page before. A page may be short, or empty, and have a `next`.", false,
       Type::Text});
  return more;
}

const Parameter kId{In::Path, "id", "As in the list.", true};
const Parameter kRoom{In::Path, "room", "Name of the room.", true};
/// Names may hold '/' and be "..": what normalises paths on the way (a proxy, a browser) makes another path
/// of them. A query it leaves alone.
const Parameter kNamedRoom{In::Query, "room", "Name of the room.", true};
const Parameter kNamedPeer{In::Query, "peer", "The member's peer id.", true};
const Parameter kReason{In::Query, "reason", "For the members; at most 256 bytes."};

/// A question without parameters.
Route look(Operation operation, std::string_view path, std::string_view name, std::string_view summary) {
  return {operation, "GET", path, name, summary, {}};
}

std::vector<Route> make_routes() {
  using Op = Operation;
  return {
      look(Op::Status, "/v1/status", "status", "What runs, since when, and how much there is to do."),
      look(Op::Stats, "/v1/stats", "stats",
           "All counters by reason, gauges and limits at one moment. Rates are differences of two answers "
           "over "
           "their uptime_seconds; what is 0 is left out of tables by reason."),
      look(Op::ShowHistory, "/v1/history", "showHistory",
           "The last ten minutes of what a graph shows, as columns of equal length."),
      look(Op::ListTop, "/v1/top", "listTop",
           "The 20 allocations that relay the most, with rates since the last such request "
           "(measured_seconds)."),
      {Op::ListAllocations, "GET", "/v1/allocations", "listAllocations", "Live allocations.",
       paged({{In::Query, "user", "Username, or the user of an ephemeral one."},
              {In::Query, "realm", "Realm."},
              {In::Query, "room", "Room of the credential's policy."},
              {In::Query, "member", "Member of the credential's policy."},
              {In::Query, "client", "Address or network of the client."},
              {In::Query,
               "transport",
               "udp, tcp, tls or dtls.",
               false,
               Type::Text,
               {"udp", "tcp", "tls", "dtls"}}})},
      {Op::ShowAllocation,
       "GET",
       "/v1/allocations/{id}",
       "showAllocation",
       "One allocation with its permissions and channels, 256 of each at most.",
       {kId}},
      {Op::EndAllocation,
       "DELETE",
       "/v1/allocations/{id}",
       "endAllocation",
       "Ends an allocation. Its client may make a new one; to keep it out, revoke.",
       {kId}},
      {Op::ListRooms, "GET", "/v1/rooms", "listRooms", "Rooms of signaling.",
       paged({{In::Query, "prefix", "What their names begin with."}})},
      {Op::CloseRoom,
       "DELETE",
       "/v1/rooms",
       "closeNamedRoom",
       "Ends all memberships of a room, whatever its name is.",
       {kNamedRoom, kReason}},
      {Op::ListMembers, "GET", "/v1/members", "listMembersOfNamedRoom",
       "Members of a room, whatever its name is, in the order of their coming.", paged({kNamedRoom})},
      {Op::RemoveMember,
       "DELETE",
       "/v1/members",
       "removeNamedMember",
       "Removes a member from a room, as a kick does, whatever their names are.",
       {kNamedRoom, kNamedPeer, kReason}},
      {Op::CloseRoom,
       "DELETE",
       "/v1/rooms/{room}",
       "closeRoom",
       "Ends all memberships of a room.",
       {kRoom, kReason}},
      {Op::ListMembers, "GET", "/v1/rooms/{room}/members", "listMembers",
       "Members of a room in the order of their coming.", paged({kRoom})},
      {Op::RemoveMember,
       "DELETE",
       "/v1/rooms/{room}/members/{peer}",
       "removeMember",
       "Removes a member from a room, as a kick does.",
       {kRoom, {In::Path, "peer", "The member's peer id.", true}, kReason}},
      {Op::Revoke,
       "POST",
       "/v1/revocations",
       "revoke",
       "Ends what was granted to a credential, user, room or member, and lets it in no more. Kept in memory.",
       {{In::Body,
         "kind",
         "credential, user, room or member.",
         true,
         Type::Text,
         {"credential", "user", "room", "member"}},
        {In::Body, "name", "Which one.", true},
        {In::Body, "until",
         "Until when, in seconds since 1970. Left out: a credential until it expires, a static user until "
         "the "
         "restart, everything else for 24 hours or auth.credential_ttl, whichever is longer.",
         false, Type::Count}},
       202},
      {Op::Drain,
       "POST",
       "/v1/drain",
       "drain",
       "Takes no new clients, and asks those of signaling to go elsewhere. The server goes on until SIGTERM.",
       {},
       202},
      {Op::Undrain, "DELETE", "/v1/drain", "undrain", "Welcomes clients again.", {}, 202},
      {Op::Reload,
       "POST",
       "/v1/reload",
       "reload",
       "Reads configuration, certificates and secrets anew, all or nothing.",
       {}},
      look(Op::ShowLogLevel, "/v1/log-level", "showLogLevel", "The least severe lines that are written."),
      {Op::SetLogLevel,
       "PUT",
       "/v1/log-level",
       "setLogLevel",
       "Changes it until the next start, or reload with another log.level.",
       {{In::Body,
         "level",
         "trace, debug, info, warn, error or off.",
         true,
         Type::Text,
         {"trace", "debug", "info", "warn", "error", "off"}}}},
      look(Op::ShowConfig, "/v1/config", "showConfig",
           "The effective configuration as YAML; secrets are shown as ***."),
      look(Op::OpenApi, "/v1/openapi.json", "openapi", "This document."),
  };
}

/// RFC 3986 §2.1. In a query '+' is a space. Nothing when an escape is broken, or it is too long.
std::optional<std::string> decode(std::string_view text, bool in_query) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (out.size() == kMaxValueBytes) return std::nullopt;
    if (text[i] != '%') {
      out += in_query && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

/// What stands before the separator, which is taken off the front.
std::string_view take(std::string_view& text, char separator) noexcept {
  const std::size_t at = std::min(text.find(separator), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

using Values = std::map<std::string, std::string, std::less<>>;

/// The values of the template's names; nothing: it is another path, or one that is broken.
std::optional<Values> match(std::string_view wanted, std::string_view path) {
  Values out;
  while (!wanted.empty() && !path.empty()) {
    const std::string_view part = take(wanted, '/');
    const std::string_view given = take(path, '/');
    if (!part.starts_with('{')) {
      if (part != given) return std::nullopt;
      continue;
    }
    auto value = decode(given, false);
    if (!value || value->empty()) return std::nullopt;
    out.emplace(part.substr(1, part.size() - 2), *std::move(value));
  }
  return wanted.empty() && path.empty() ? std::optional(std::move(out)) : std::nullopt;
}

Response bad_request(const std::string& message) { return error(400, "bad_request", message); }

std::optional<std::uint64_t> count_of(std::string_view text) noexcept {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? std::optional(out) : std::nullopt;
}

/// RFC 9110 §8.3.1: what stands before parameters, in either case.
bool is_json(std::string_view content_type) noexcept {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  constexpr std::string_view kJson = "application/json";
  return std::equal(type.begin(), type.end(), kJson.begin(), kJson.end(), [](char given, char wanted) {
    return (given >= 'A' && given <= 'Z' ? given + ('a' - 'A') : given) == wanted;
  });
}

/// "a, b or c"
std::string any_of(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i != 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

/// Reads one request by its route.
class Reader {
 public:
  Reader(const Route& route, Values values) : route_(route) {
    call_.operation = route.operation;
    call_.values = std::move(values);
  }

  /// False: the problem is in error().
  bool query(std::string_view query) {
    while (!query.empty()) {
      std::string_view value = take(query, '&');
      const auto name = decode(take(value, '='), true);
      auto text = decode(value, true);
      if (!name || !text) return fail("the query is not well-formed");
      if (!put(In::Query, *name, *std::move(text))) return false;
    }
    return true;
  }

  bool body(const Request& request) {
    const bool wanted = std::any_of(route_.parameters.begin(), route_.parameters.end(),
                                    [](const Parameter& p) { return p.in == In::Body; });
    if (!wanted) return true;
    if (!is_json(request.content_type)) {
      error_ = error(415, "unsupported_media_type", "Content-Type: application/json is needed");
      return false;
    }
    using Event = nlohmann::json::parse_event_t;
    std::vector<std::string> names;
    // A flat object: what is deeper is not even built. Of two members of a name the parser keeps the last.
    const auto flat = [&names](int depth, Event event, nlohmann::json& value) {
      if (event == Event::key && depth == 1) names.push_back(value.get<std::string>());
      return depth <= 1;
    };
    const auto json = nlohmann::json::parse(request.body, flat, false);
    if (!json.is_object()) return fail("the body is no JSON object");
    if (names.size() != json.size())
      return fail("a member of the body was given twice, or is no text or number");
    for (const auto& [name, value] : json.items()) {
      if (!member(name, value)) return false;
    }
    return true;
  }

  bool complete() {
    for (const Parameter& p : route_.parameters) {
      if (p.required && call_.text(p.name).empty()) return fail(std::string(p.name) + " is needed");
    }
    return true;
  }

  Call& call() noexcept { return call_; }
  Response& problem() noexcept { return error_; }

 private:
  bool fail(const std::string& message) {
    error_ = bad_request(message);
    return false;
  }

  const Parameter* find(In in, const std::string& name) const {
    const auto& all = route_.parameters;
    const auto known = std::find_if(all.begin(), all.end(),
                                    [&](const Parameter& p) { return p.in == in && p.name == name; });
    return known == all.end() ? nullptr : &*known;
  }

  bool member(const std::string& name, const nlohmann::json& value) {
    const Parameter* known = find(In::Body, name);
    if (known != nullptr && known->type == Type::Count) {
      if (!value.is_number_unsigned()) return fail(name + ": a number is needed");
      return put(In::Body, name, std::to_string(value.get<std::uint64_t>()));
    }
    std::string text = value.is_string() ? value.get<std::string>() : std::string();
    if (text.empty() || text.size() > kMaxValueBytes) return fail(name + ": a text is needed");
    return put(In::Body, name, std::move(text));
  }

  bool put(In in, const std::string& name, std::string value) {
    const Parameter* known = find(in, name);
    if (known == nullptr) return fail("no such parameter here: " + name.substr(0, 64));
    if (known->type == Type::Count) {
      const auto count = count_of(value);
      if (!count || *count < known->least || *count > known->most)
        return fail(name + ": a number from " + std::to_string(known->least) + " to " +
                    std::to_string(known->most) + " is needed");
    }
    const auto& words = known->one_of;
    if (!words.empty() && std::find(words.begin(), words.end(), value) == words.end())
      return fail(name + ": " + any_of(words) + " is needed");
    if (!call_.values.emplace(name, std::move(value)).second) return fail(name + " was given twice");
    return true;
  }

  const Route& route_;
  Call call_;
  Response error_;
};

}  // namespace

std::span<const Route> routes() {
  static const std::vector<Route> kRoutes = make_routes();
  return kRoutes;
}

std::string_view Call::text(std::string_view name) const noexcept {
  const auto found = values.find(name);
  return found == values.end() ? std::string_view() : std::string_view(found->second);
}

std::uint64_t Call::count(std::string_view name, std::uint64_t otherwise) const noexcept {
  return count_of(text(name)).value_or(otherwise);
}

std::uint32_t Call::limit() const noexcept {
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(count("limit", kPage), 1, kMaxPage));
}

Result<Call, Response> route(const Request& request) {
  std::string allowed;
  for (const Route& candidate : routes()) {
    auto values = match(candidate.path, request.path);
    if (!values) continue;
    if (candidate.method != request.method) {
      allowed += (allowed.empty() ? "" : ", ") + std::string(candidate.method);
      if (candidate.method == "GET") allowed += ", HEAD";
      continue;
    }
    Reader reader(candidate, *std::move(values));
    if (!reader.query(request.query) || !reader.body(request) || !reader.complete())
      return std::move(reader.problem());
    return std::move(reader.call());
  }
  if (!allowed.empty()) {
    Response out = error(405, "method_not_allowed", "this path knows " + allowed);
    out.allow = std::move(allowed);
    return out;
  }
  return error(404, "not_found", "there is nothing here; GET /v1/openapi.json tells what there is");
}

}  // namespace ts::admin
