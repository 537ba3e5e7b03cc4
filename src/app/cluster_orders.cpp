// SPDX-License-Identifier: Apache-2.0
#include "cluster_orders.hpp"

#include <limits>

#include <nlohmann/json.hpp>

namespace ts::app {
namespace {

using nlohmann::json;

constexpr std::uint64_t kKinds = 4;  // of turn::Revocation::Kind

/// The number of a member, if it is at most so large.
std::optional<std::uint64_t> number_at(const json& from, const char* name, std::uint64_t most) {
  const auto at = from.find(name);
  if (at == from.end() || !at->is_number_unsigned() || at->get<std::uint64_t>() > most) return std::nullopt;
  return at->get<std::uint64_t>();
}

}  // namespace

std::string order_of(const turn::Revocation& revocation) {
  json out;
  out["revoke"] = static_cast<std::uint64_t>(revocation.kind);
  out["name"] = revocation.name;
  out["until"] = static_cast<std::int64_t>(revocation.until.time_since_epoch().count());
  if (revocation.realm) out["realm"] = std::uint64_t{*revocation.realm};
  out["cause"] = static_cast<std::uint64_t>(revocation.cause);
  // A username may be any bytes.
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<turn::Revocation> revocation_of(std::string_view order) {
  const json in = json::parse(order, nullptr, false);
  if (!in.is_object()) return std::nullopt;
  const auto kind = number_at(in, "revoke", kKinds - 1);
  const auto cause = number_at(in, "cause", turn::kRevocationCauseCount - 1);
  const auto name = in.find("name");
  const auto until = in.find("until");
  if (!kind || !cause || name == in.end() || !name->is_string() || until == in.end()) return std::nullopt;
  if (!until->is_number_integer()) return std::nullopt;
  turn::Revocation out;
  out.kind = static_cast<turn::Revocation::Kind>(*kind);
  out.cause = static_cast<turn::RevocationCause>(*cause);
  out.name = name->get<std::string>();
  out.until = WallTime(std::chrono::seconds(until->get<std::int64_t>()));
  if (!in.contains("realm")) return out;
  const auto realm = number_at(in, "realm", std::numeric_limits<auth::RealmId>::max());
  if (!realm) return std::nullopt;
  out.realm = static_cast<auth::RealmId>(*realm);
  return out;
}

}  // namespace ts::app
