// SPDX-License-Identifier: Apache-2.0
// Counters as JSON. Of tables by reason, which are long, only what has happened is told.
#include <array>
#include <numeric>
#include <string_view>

#include <nlohmann/json.hpp>

#include <turnstone/admin/stats.hpp>
#include <turnstone/metrics/labels.hpp>

namespace ts::admin {
namespace {

using Json = nlohmann::ordered_json;
// Those of signaling are found by their arguments.
using metrics::label;

struct Column {
  const char* name;
  std::uint64_t Moment::*value;
};
constexpr std::array<Column, 8> kColumns{{{"allocations", &Moment::allocations},
                                          {"sessions", &Moment::sessions},
                                          {"to_peer_bytes", &Moment::to_peer_bytes},
                                          {"to_client_bytes", &Moment::to_client_bytes},
                                          {"packets", &Moment::packets},
                                          {"auth_failures", &Moment::auth_failures},
                                          {"denials", &Moment::denials},
                                          {"drops", &Moment::drops}}};

template <std::size_t N>
std::uint64_t sum(const std::array<std::uint64_t, N>& values) {
  return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
}

/// {"name": count, …} of an array that the enumeration indexes.
template <class Enum, std::size_t N>
Json by_name(const std::array<std::uint64_t, N>& values) {
  Json out = Json::object();
  for (std::size_t i = 0; i < N; ++i) {
    if (values[i] != 0) out[std::string(label(static_cast<Enum>(i)))] = values[i];
  }
  return out;
}

Json traffic(const std::array<turn::Traffic, turn::kTransportCount>& by_transport) {
  Json out = Json::object();
  for (std::size_t i = 0; i < by_transport.size(); ++i) {
    if (by_transport[i].packets == 0) continue;
    Json& one = out[std::string(label(static_cast<turn::Transport>(i)))];
    one["packets"] = by_transport[i].packets;
    one["bytes"] = by_transport[i].bytes;
  }
  return out;
}

Json requests(const turn::Counters& counted) {
  Json out = Json::object();
  for (std::size_t i = 0; i < turn::kRequestKindCount; ++i) {
    Json codes = by_name<turn::Outcome>(counted.requests[i]);
    if (!codes.empty()) out[std::string(label(static_cast<turn::RequestKind>(i)))] = std::move(codes);
  }
  return out;
}

void put_node(Json& out, const metrics::Snapshot& s, const Facts& facts) {
  out["time"] = facts.time;
  out["uptime_seconds"] = facts.uptime_seconds;
  out["version"] = s.build.version;
  out["commit"] = s.build.commit;
  out["draining"] = s.draining;
  out["threads"] = facts.threads;
  out["bugs"] = s.bugs;
  // Null: there is no certificate.
  out["certificate_expires"] = nullptr;
  if (s.certificate_expiry_seconds) out["certificate_expires"] = *s.certificate_expiry_seconds;
  Json& process = out["process"];
  process["cpu_seconds"] = s.process.cpu_seconds;
  process["resident_bytes"] = s.process.resident_bytes;
  process["open_fds"] = s.process.open_fds;
  process["max_fds"] = s.process.max_fds;
  Json& limits = out["limits"];
  limits["allocations"] = facts.max_allocations;
  limits["allocations_per_user"] = facts.max_allocations_per_user;
  limits["streams"] = facts.max_streams;
  limits["bits_per_second"] = facts.max_bits_per_second;
}

void put_relay(Json& out, const metrics::Snapshot& s) {
  out["allocations"] = by_name<turn::Transport>(s.turn.allocations);
  out["allocations_by_thread"] = s.shard_allocations;
  out["allocations_created"] = s.turn.allocations_created;
  out["allocations_ended"] = by_name<turn::EndReason>(s.turn.allocations_ended);
  out["permissions"] = s.turn.permissions;
  out["channels"] = s.turn.channels;
  out["ports"]["used"] = s.turn.ports_used;
  out["ports"]["free"] = s.turn.ports_free;
  out["relayed"]["to_peer"] = traffic(s.turn.to_peer);
  out["relayed"]["to_client"] = traffic(s.turn.to_client);
  // Null: the sockets relay everything.
  out["offload"] = nullptr;
  if (s.offload) {
    Json offload = Json::object();
    offload["flows"] = s.offload->flows;
    offload["packets"] = s.offload->to_peer_packets + s.offload->to_client_packets;
    offload["drops"] = s.offload->hops_used_up + s.offload->failed;
    out["offload"] = std::move(offload);
  }
  out["requests"] = requests(s.turn);
  out["auth_failures"] = by_name<turn::AuthFailure>(s.turn.auth_failures);
  out["denials"] = by_name<turn::Denial>(s.turn.denials);
  out["drops"] = by_name<turn::Drop>(s.turn.drops);
  out["revocations"] = by_name<turn::RevocationCause>(s.turn.revocations);
  out["revocations_forgotten"] = by_name<turn::RevocationCause>(s.turn.revocations_forgotten);
  out["hook"]["results"] = by_name<turn::HookResult>(s.turn.hook_results);
  out["hook"]["seconds"] = static_cast<double>(s.turn.hook_nanoseconds) / 1e9;
  out["hook"]["waiting"] = s.turn.hook_waiting;
}

void put_sockets(Json& out, const net::Counters& counted) {
  out["streams"]["open"] = by_name<net::StreamKind>(counted.streams_open);
  out["streams"]["accepted"] = by_name<net::StreamKind>(counted.streams_accepted);
  out["streams"]["refused"] = by_name<net::StreamRefusal>(counted.streams_refused);
  Json& udp = out["udp"];
  udp["received"] = counted.udp_received_packets;
  udp["sent"] = counted.udp_sent_packets;
  udp["send_errors"] = counted.udp_send_errors;
  udp["receive_drops"] = by_name<net::UdpSocketKind>(counted.udp_receive_drops);
}

void put_signaling(Json& out, const metrics::Snapshot& s, const Facts& facts) {
  const signal::Counters& counted = s.signal;
  std::array<std::uint64_t, signal::kErrorCodeCount> answers{};
  for (const auto& row : counted.messages) {
    for (std::size_t i = 0; i < row.size(); ++i) answers[i] += row[i];
  }
  const std::uint64_t messages = sum(answers);
  answers[signal::index(signal::ErrorCode::None)] = 0;
  Json& signaling = out["signaling"];
  signaling["sessions"] = facts.sessions;
  signaling["members"] = counted.members;
  signaling["rooms"] = counted.rooms;
  signaling["memberships"] = counted.memberships;
  signaling["lost"] = counted.lost;
  signaling["replay_bytes"] = counted.replay_bytes;
  signaling["messages"] = messages;
  signaling["errors"] = by_name<signal::ErrorCode>(answers);
  signaling["closed"] = by_name<signal::CloseReason>(counted.closed);
}

}  // namespace

Moment moment_of(const metrics::Snapshot& snapshot, const Facts& facts) {
  const turn::Counters& relay = snapshot.turn;
  Moment out;
  out.at = facts.uptime_seconds;
  out.sessions = facts.sessions;
  out.allocations = sum(relay.allocations);
  for (std::size_t i = 0; i < turn::kTransportCount; ++i) {
    out.to_peer_bytes += relay.to_peer[i].bytes;
    out.to_client_bytes += relay.to_client[i].bytes;
    out.packets += relay.to_peer[i].packets + relay.to_client[i].packets;
  }
  out.auth_failures = sum(relay.auth_failures) -
                      relay.auth_failures[turn::index(turn::AuthFailure::NoCredentials)] -
                      relay.auth_failures[turn::index(turn::AuthFailure::StaleNonce)];
  out.denials = sum(relay.denials);
  out.drops = sum(relay.drops) + sum(snapshot.net.udp_receive_drops) + snapshot.net.udp_send_errors;
  if (snapshot.offload) out.drops += snapshot.offload->hops_used_up + snapshot.offload->failed;
  return out;
}

std::string stats(const metrics::Snapshot& snapshot, const Facts& facts) {
  Json out = Json::object();
  put_node(out, snapshot, facts);
  const Moment moment = moment_of(snapshot, facts);
  Json& now = out["now"];
  now["at"] = moment.at;
  for (const Column& column : kColumns) now[column.name] = moment.*column.value;
  put_relay(out, snapshot);
  put_sockets(out, snapshot.net);
  put_signaling(out, snapshot, facts);
  return out.dump() + '\n';
}

void History::add(const Moment& moment) {
  if (most_ == 0) return;
  if (moments_.size() == most_) moments_.pop_front();
  moments_.push_back(moment);
}

std::string History::json() const {
  Json out = Json::object();
  Json& at = out["at"];
  at = Json::array();
  for (const Moment& moment : moments_) at.push_back(moment.at);
  for (const Column& column : kColumns) {
    Json values = Json::array();
    for (const Moment& moment : moments_) values.push_back(moment.*column.value);
    out[column.name] = std::move(values);
  }
  return out.dump() + '\n';
}

}  // namespace ts::admin
