// SPDX-License-Identifier: Apache-2.0
// Counters as JSON: what the console, and whoever else asks, is told.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <turnstone/admin/stats.hpp>

namespace ts::admin {
namespace {

using nlohmann::json;

metrics::Snapshot busy() {
  metrics::Snapshot out;
  out.turn.allocations = {3, 0, 1, 0};
  out.turn.to_peer[0] = {10, 1000};
  out.turn.to_client[2] = {5, 700};
  out.turn.auth_failures[turn::index(turn::AuthFailure::NoCredentials)] = 50;
  out.turn.auth_failures[turn::index(turn::AuthFailure::StaleNonce)] = 5;
  out.turn.auth_failures[turn::index(turn::AuthFailure::WrongPassword)] = 7;
  out.turn.denials[turn::index(turn::Denial::NoPort)] = 2;
  out.turn.drops[turn::index(turn::Drop::QueueFull)] = 3;
  out.turn.requests[turn::index(turn::RequestKind::Allocate)][turn::index(turn::Outcome::E508)] = 2;
  out.net.udp_receive_drops = {4, 5};
  out.net.udp_send_errors = 6;
  out.shard_allocations = {1, 3};
  out.signal.rooms = 2;
  out.signal.messages[signal::index(signal::MessageType::Join)][signal::index(signal::ErrorCode::None)] = 8;
  out.signal.messages[signal::index(signal::MessageType::Join)][signal::index(signal::ErrorCode::RoomFull)] =
      1;
  out.signal.messages[signal::index(signal::MessageType::Send)][signal::index(signal::ErrorCode::RoomFull)] =
      1;
  return out;
}

Facts facts() {
  Facts out;
  out.uptime_seconds = 12.5;
  out.time = 1'800'000'000;
  out.sessions = 9;
  out.threads = 2;
  out.max_allocations = 100;
  return out;
}

TEST(Stats, TellByReasonWhatHasHappened) {
  json told = json::parse(stats(busy(), facts()));
  EXPECT_EQ(told["uptime_seconds"], 12.5);
  EXPECT_EQ(told["time"], 1'800'000'000);
  EXPECT_EQ(told["allocations"], json::object({{"udp", 3}, {"tls", 1}}));
  EXPECT_EQ(told["allocations_by_thread"], json::array({1, 3}));
  EXPECT_EQ(told["denials"], json::object({{"no_port", 2}})) << "what is 0 is left out";
  EXPECT_EQ(told["drops"], json::object({{"queue_full", 3}}));
  EXPECT_EQ(told["requests"], json::object({{"allocate", json::object({{"508", 2}})}}));
  EXPECT_EQ(told["relayed"]["to_peer"]["udp"], json::object({{"packets", 10}, {"bytes", 1000}}));
  EXPECT_EQ(told["udp"]["receive_drops"], json::object({{"listener", 4}, {"relay", 5}}));
  EXPECT_EQ(told["limits"]["allocations"], 100);
  EXPECT_EQ(told["signaling"]["sessions"], 9);
  EXPECT_EQ(told["signaling"]["messages"], 10);
  EXPECT_EQ(told["signaling"]["errors"], json::object({{"room_full", 2}}));
  EXPECT_TRUE(told["certificate_expires"].is_null());
  EXPECT_TRUE(told["offload"].is_null());
}

TEST(Stats, OfAServerThatHasDoneNothingAreWhole) {
  json told = json::parse(stats({}, {}));
  for (const char* table : {"allocations", "auth_failures", "denials", "drops", "requests", "revocations"})
    EXPECT_TRUE(told[table].is_object() && told[table].empty()) << table;
  EXPECT_EQ(told["now"]["packets"], 0);
}

TEST(Stats, WhatMayBeThereIsThere) {
  metrics::Snapshot snapshot;
  snapshot.certificate_expiry_seconds = 1.9e9;
  snapshot.offload.emplace();
  snapshot.offload->flows = 3;
  snapshot.offload->hops_used_up = 2;
  json told = json::parse(stats(snapshot, {}));
  EXPECT_EQ(told["certificate_expires"], 1.9e9);
  EXPECT_EQ(told["offload"]["flows"], 3);
  EXPECT_EQ(told["now"]["drops"], 2);
}

TEST(Stats, AMomentHasSumsWithoutWhatIsNormal) {
  const Moment moment = moment_of(busy(), facts());
  EXPECT_EQ(moment.at, 12.5);
  EXPECT_EQ(moment.allocations, 4U);
  EXPECT_EQ(moment.sessions, 9U);
  EXPECT_EQ(moment.to_peer_bytes, 1000U);
  EXPECT_EQ(moment.to_client_bytes, 700U);
  EXPECT_EQ(moment.packets, 15U);
  EXPECT_EQ(moment.auth_failures, 7U);
  EXPECT_EQ(moment.denials, 2U);
  EXPECT_EQ(moment.drops, 18U) << "ours and the kernel's";
}

TEST(History, KeepsTheLastOnes) {
  History history(3);
  EXPECT_EQ(json::parse(history.json())["at"], json::array());
  for (int i = 1; i <= 5; ++i) {
    Moment moment;
    moment.at = i;
    moment.packets = static_cast<std::uint64_t>(i) * 10;
    history.add(moment);
  }
  EXPECT_EQ(history.size(), 3U);
  json told = json::parse(history.json());
  EXPECT_EQ(told["at"], json::array({3.0, 4.0, 5.0}));
  EXPECT_EQ(told["packets"], json::array({30, 40, 50}));
  EXPECT_EQ(told["drops"], json::array({0, 0, 0}));
  History none(0);
  none.add({});
  EXPECT_EQ(none.size(), 0U);
}

}  // namespace
}  // namespace ts::admin
