// SPDX-License-Identifier: Apache-2.0
#include "admin_json.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <turnstone/metrics/labels.hpp>

#include "dialects.hpp"

namespace ts::app {
namespace {

/// Numbers with '-' between them; false: it is something else.
template <std::size_t N>
bool read_numbers(std::string_view text, std::array<std::uint32_t, N>& out) {
  for (std::size_t i = 0; i < N; ++i) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out[i]);
    if (error != std::errc()) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const bool last = i + 1 == N;
    if (last) return text.empty();
    if (!text.starts_with('-')) return false;
    text.remove_prefix(1);
  }
  return false;
}

double seconds(Duration time) { return std::chrono::duration<double>(time).count(); }

Json to_json(const turn::Traffic& traffic) {
  Json out = Json::object();
  out["packets"] = traffic.packets;
  out["bytes"] = traffic.bytes;
  return out;
}

constexpr std::array<std::string_view, 4> kKinds{"credential", "user", "room", "member"};
constexpr std::array<std::string_view, 6> kLevels{"trace", "debug", "info", "warn", "error", "off"};

template <std::size_t N>
std::optional<std::size_t> index_in(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) return std::nullopt;
  return static_cast<std::size_t>(at - names.begin());
}

}  // namespace

std::string AllocationName::to_string() const {
  return std::to_string(shard) + '-' + std::to_string(handle.index) + '-' + std::to_string(handle.generation);
}

std::optional<AllocationName> AllocationName::parse(std::string_view text) {
  std::array<std::uint32_t, 3> numbers{};
  if (!read_numbers(text, numbers)) return std::nullopt;
  return AllocationName{numbers[0], SlotHandle{numbers[1], numbers[2]}};
}

std::string AllocationCursor::to_string() const {
  return std::to_string(shard) + '-' + std::to_string(index);
}

std::optional<AllocationCursor> AllocationCursor::parse(std::string_view text) {
  if (text.empty()) return AllocationCursor{};
  std::array<std::uint32_t, 2> numbers{};
  if (!read_numbers(text, numbers)) return std::nullopt;
  return AllocationCursor{numbers[0], numbers[1]};
}

Json to_json(std::size_t shard, const turn::AllocationView& view) {
  Json out = Json::object();
  out["id"] = AllocationName{shard, view.handle}.to_string();
  out["user"] = view.username;
  out["realm"] = view.realm;
  if (!view.room.empty()) out["room"] = view.room;
  if (!view.member.empty()) out["member"] = view.member;
  out["client"] = view.tuple.client.to_string();
  out["server"] = view.tuple.server.to_string();
  out["transport"] = metrics::label(view.tuple.transport);
  out["relayed"] = Json::array();
  for (const Endpoint& relayed : view.relayed) out["relayed"].push_back(relayed.to_string());
  out["protocol"] = view.protocol == turn::RelayProtocol::Tcp ? "tcp" : "udp";
  out["age_seconds"] = seconds(view.age);
  out["left_seconds"] = seconds(view.left);
  out["permissions"] = view.permissions;
  out["channels"] = view.channels;
  out["connections"] = view.connections;
  out["mobile"] = view.mobile;
  out["to_peer"] = to_json(view.to_peer);
  out["to_client"] = to_json(view.to_client);
  return out;
}

Json to_json(std::size_t shard, const turn::AllocationDetail& detail) {
  Json out = to_json(shard, detail.view);
  Json permissions = Json::array();
  for (const turn::PermissionView& p : detail.permissions) {
    Json one = Json::object();
    one["peer"] = p.peer.to_string();
    one["left_seconds"] = seconds(p.left);
    permissions.push_back(std::move(one));
  }
  Json channels = Json::array();
  for (const turn::ChannelView& c : detail.channels) {
    Json one = Json::object();
    one["number"] = c.number;
    one["peer"] = c.peer.to_string();
    one["left_seconds"] = seconds(c.left);
    channels.push_back(std::move(one));
  }
  out["permission_list"] = std::move(permissions);
  out["channel_list"] = std::move(channels);
  return out;
}

Json to_json(const signal::RoomSummary& room) {
  Json out = Json::object();
  out["room"] = room.name;
  out["members"] = room.members;
  out["size"] = room.size;
  out["locked"] = room.locked;
  return out;
}

Json to_json(const signal::MemberSummary& member) {
  Json out = Json::object();
  out["peer"] = member.peer;
  if (!member.subject.empty()) out["subject"] = member.subject;
  // Its own node knows these.
  if (!member.elsewhere) out["client"] = member.remote.to_string();
  if (!member.elsewhere) out["dialect"] = dialect_name(member.dialect);
  out["lost"] = member.lost;
  out["elsewhere"] = member.elsewhere;
  return out;
}

admin::Response answer(const Json& body, int status) {
  // Names come from clients: what is not UTF-8 does not break the answer, and what turns a terminal about is
  // escaped.
  return admin::Response{status, "application/json",
                         body.dump(-1, ' ', true, Json::error_handler_t::replace) + '\n'};
}

std::optional<turn::Revocation::Kind> revocation_kind(std::string_view name) noexcept {
  const auto at = index_in(kKinds, name);
  return at ? std::optional(static_cast<turn::Revocation::Kind>(*at)) : std::nullopt;
}

std::optional<config::LogLevel> log_level(std::string_view name) noexcept {
  const auto at = index_in(kLevels, name);
  return at ? std::optional(static_cast<config::LogLevel>(*at)) : std::nullopt;
}

std::string_view name_of(config::LogLevel level) noexcept { return kLevels[static_cast<std::size_t>(level)]; }

Result<turn::AllocationFilter, admin::Response> filter_of(const admin::Call& call) {
  turn::AllocationFilter out;
  out.user = call.text("user");
  if (!call.text("realm").empty()) out.realm = std::string(call.text("realm"));
  out.room = call.text("room");
  out.member = call.text("member");
  if (const std::string_view client = call.text("client"); !client.empty()) {
    out.client = IpNetwork::parse(client);
    if (!out.client) return admin::error(400, "bad_request", "client: an address or a network is needed");
  }
  if (const std::string_view wanted = call.text("transport"); !wanted.empty()) {
    for (const auto transport :
         {turn::Transport::Udp, turn::Transport::Tcp, turn::Transport::Tls, turn::Transport::Dtls}) {
      if (metrics::label(transport) == wanted) out.transport = transport;
    }
    if (!out.transport) return admin::error(400, "bad_request", "transport: udp, tcp, tls or dtls is needed");
  }
  return out;
}

}  // namespace ts::app
