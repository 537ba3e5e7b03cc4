// SPDX-License-Identifier: Apache-2.0
// A Router on a fake clock, with seeded randomness, and its Outbox as readable lines.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/signal/router.hpp>

namespace ts::signal {

class FakeRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override {
    for (auto& b : out) {
      state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
      b = static_cast<std::uint8_t>(state_ >> 56);
    }
  }

 private:
  std::uint64_t state_ = 1;
};

/// One TURN server whose user name counts the calls.
class FakeIce final : public IceProvider {
 public:
  IceServers servers(const Now&, std::string_view room, std::string_view peer) override {
    if (!room.empty() && room != extra_room) return {};
    IceServers out;
    out.servers.push_back({{"turn:t.test"}, std::string(peer) + ":" + std::to_string(++calls), "secret"});
    out.ttl = ttl;
    return out;
  }
  bool ended(std::string_view room, std::string_view peer, LeaveReason why) override {
    ends.push_back(std::string(room) + "/" + std::string(peer));
    reasons.emplace_back(label(why));
    return revokes;
  }
  /// What ended() was called with.
  std::vector<std::string> ends;
  std::vector<std::string> reasons;
  bool revokes = false;
  std::chrono::seconds ttl{100};
  std::string extra_room = "closed-relay";
  int calls = 0;
};

inline Options test_options() {
  Options o;
  o.token = "secret";
  o.max_members_per_room = 3;
  o.max_rooms_per_member = 2;
  o.max_queued_per_target = 2;
  o.max_connections = 8;
  return o;
}

/// "1: peer-joined r ada {} polite", one line for each receiver of each event.
inline std::vector<std::string> lines(const Outbox& out) {
  struct Print {
    std::string operator()(const PeerJoined& e) const {
      return "peer-joined " + text(e.room) + text(e.peer) + text(e.meta) + (e.polite ? "polite" : "impolite");
    }
    std::string operator()(const PeerLeft& e) const {
      return "peer-left " + text(e.room) + text(e.peer) + std::string(e.reason);
    }
    std::string operator()(const PeerUpdated& e) const {
      return "peer-updated " + text(e.room) + text(e.peer) + std::string(e.meta);
    }
    std::string operator()(const Message& e) const {
      return "msg " + text(e.room) + text(e.from) + text(label(e.kind)) + std::string(e.data);
    }
    std::string operator()(const Expired& e) const { return "expired " + std::string(e.to); }
    std::string operator()(const IceRenewed& e) const { return "ice " + e.ice.servers.at(0).username; }
    std::string operator()(const Kicked& e) const {
      return "kicked " + text(label(e.code)) + std::string(e.reason);
    }
    std::string operator()(const GoAway& e) const {
      return "goaway " + std::to_string(e.retry_after.count());
    }
    std::string operator()(const Close& e) const {
      return "close " + std::to_string(static_cast<int>(e.code)) + " " + std::string(e.reason);
    }
    std::string operator()(const PeerResumed& e) const {
      return "peer-resumed " + text(e.room) + std::string(e.peer);
    }
    std::string operator()(const RoomUpdated& e) const {
      return "room-updated " + text(e.room) + std::to_string(e.size) + (e.locked ? " locked " : " open ") +
             std::string(e.meta);
    }
    std::string operator()(const Undelivered& e) const {
      return "undelivered " + text(e.room) + std::string(e.to);
    }
    static std::string text(std::string_view t) { return std::string(t) + " "; }
  };
  std::vector<std::string> all;
  for (const auto& item : out.items()) {
    for (const Receiver r : out.receivers(item)) {
      all.push_back(std::to_string(r.connection) + ": " + std::visit(Print{}, item.event));
    }
  }
  return all;
}

using Lines = std::vector<std::string>;

/// The error code of a result; None for success.
template <class R>
ErrorCode code(const R& result) {
  return result.has_value() ? ErrorCode::None : result.error().code;
}

class RouterTest : public ::testing::Test {
 protected:
  /// Replaces the Router.
  void start(Options options) { router_ = std::make_unique<Router>(std::move(options), random_, ice_); }
  void SetUp() override { start(test_options()); }
  void TearDown() override { expect_empty_after_close(); }

  void pass(Duration d) { now_.mono += d; }
  /// What the Outbox holds, which is emptied.
  Lines said() {
    Lines all = lines(out_);
    out_.clear();
    return all;
  }
  Lines tick() {
    router_->tick(now_, out_);
    return said();
  }
  /// A connection that has said hello as `peer`.
  void member(ConnectionId id, std::string_view peer, std::string_view meta = {}) {
    ASSERT_TRUE(router_->opened(now_, id, Endpoint{}, 0, out_));
    ASSERT_EQ(code(router_->hello(now_, id, Hello{"secret", peer, meta}, out_)), ErrorCode::None);
    ASSERT_TRUE(out_.empty());
  }
  /// Joins, and forgets what others were told.
  void join(ConnectionId id, std::string_view room, std::string_view meta = {}) {
    ASSERT_EQ(code(router_->join(now_, id, room, meta, out_)), ErrorCode::None);
    out_.clear();
  }
  Result<Sent, Failure> send(ConnectionId id, std::string_view room, std::vector<std::string_view> to,
                             std::string_view data = "1", int queue_ms = 0) {
    SendRequest r;
    r.room = room;
    r.everyone = to == std::vector<std::string_view>{"*"};
    r.to = to;
    r.kind = Kind::Offer;
    r.data = data;
    r.queue = std::chrono::milliseconds(queue_ms);
    return router_->send(now_, id, r, out_);
  }
  Counters& counters() { return router_->counters(); }

  /// Nothing stays behind when all connections are gone, whatever happened before.
  void expect_empty_after_close() {
    for (ConnectionId id = 0; id < 64; ++id) router_->closed(id, CloseReason::Lost, out_);
    EXPECT_EQ(counters().connections, 0U);
    EXPECT_EQ(counters().members, 0U);
    EXPECT_EQ(counters().rooms, 0U);
    EXPECT_EQ(counters().memberships, 0U);
    EXPECT_EQ(counters().queued, 0U);
    out_.clear();
    pass(std::chrono::hours(24));
    EXPECT_EQ(tick(), Lines{});
    EXPECT_EQ(router_->next_deadline(), std::nullopt);
  }

  FakeRandom random_;
  FakeIce ice_;
  Now now_{TimePoint(std::chrono::hours(1)), WallTime(std::chrono::seconds(1'700'000'000))};
  Outbox out_;
  std::unique_ptr<Router> router_;
};

}  // namespace ts::signal
