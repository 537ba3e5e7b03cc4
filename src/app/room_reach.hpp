// SPDX-License-Identifier: Apache-2.0
// What members announce, as every shard's turn::ReachTable takes it. HTTP thread.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <turnstone/signal/candidates.hpp>
#include <turnstone/turn/reach.hpp>

namespace ts::app {

class RoomReach final : public signal::CandidateListener {
 public:
  using Tell = std::function<void(turn::ReachChange)>;
  explicit RoomReach(Tell tell) : tell_(std::move(tell)) {}

  void entered(std::string_view room, std::string_view peer) override {
    say(turn::ReachChange::Kind::Enter, room, peer, {});
  }
  void announced(std::string_view room, std::string_view peer,
                 std::span<const IpAddress> addresses) override {
    say(turn::ReachChange::Kind::Announce, room, peer, addresses);
  }
  void left(std::string_view room, std::string_view peer) override {
    say(turn::ReachChange::Kind::Leave, room, peer, {});
  }

 private:
  void say(turn::ReachChange::Kind kind, std::string_view room, std::string_view peer,
           std::span<const IpAddress> addresses) {
    turn::ReachChange change;
    change.kind = kind;
    change.room = room;
    change.peer = peer;
    change.addresses.assign(addresses.begin(), addresses.end());
    tell_(std::move(change));
  }

  Tell tell_;
};

}  // namespace ts::app
