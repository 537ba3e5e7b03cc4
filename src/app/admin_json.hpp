// SPDX-License-Identifier: Apache-2.0
// What the admin API says of allocations, rooms and members, as JSON; and what its texts name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <turnstone/admin/api.hpp>
#include <turnstone/base/slot_map.hpp>
#include <turnstone/config/config.hpp>
#include <turnstone/signal/inspect.hpp>
#include <turnstone/turn/inspect.hpp>
#include <turnstone/turn/revocation.hpp>

namespace ts::app {

using Json = nlohmann::ordered_json;

/// An allocation of a shard: "0-17-3".
struct AllocationName {
  std::size_t shard = 0;
  SlotHandle handle;

  std::string to_string() const;
  static std::optional<AllocationName> parse(std::string_view text);
};

/// Where a list of allocations goes on: "0-512".
struct AllocationCursor {
  std::size_t shard = 0;
  std::uint32_t index = 0;

  std::string to_string() const;
  /// Empty: the beginning.
  static std::optional<AllocationCursor> parse(std::string_view text);
};

Json to_json(std::size_t shard, const turn::AllocationView& view);
Json to_json(std::size_t shard, const turn::AllocationDetail& detail);
Json to_json(const signal::RoomSummary& room);
Json to_json(const signal::MemberSummary& member);

admin::Response answer(const Json& body, int status = 200);

std::optional<turn::Revocation::Kind> revocation_kind(std::string_view name) noexcept;
std::optional<config::LogLevel> log_level(std::string_view name) noexcept;
std::string_view name_of(config::LogLevel level) noexcept;

/// What a list of allocations is asked for; the error is for whoever asks.
Result<turn::AllocationFilter, admin::Response> filter_of(const admin::Call& call);

}  // namespace ts::app
