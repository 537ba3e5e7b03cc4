// SPDX-License-Identifier: Apache-2.0
// Dialects at two nodes in one room: the native protocol at one, PeerJS at the other.
#include <turnstone/dialect/peerjs.hpp>
#include <turnstone/signal/cluster.hpp>

#include "support.hpp"

namespace ts::dialect {
namespace {

/// A node with one dialect.
struct Node {
  Node(const signal::Options& rules, RandomSource& random)
      : router(rules, random, ice),
        cluster(router, random, "test", signal::derive("the secret of all nodes", signal::kFramesPurpose)),
        native(router),
        peerjs({}, router, random, 2) {
    native.set_others([this](const signal::Outbox& o) { cluster.deliver(o); });
    peerjs.set_others([this](const Now&, const signal::Outbox& o) { cluster.deliver(o); });
    cluster.set_others([this](const Now& now, const signal::Outbox& o) {
      native.deliver(o, frames);
      peerjs.deliver(now, o);
    });
  }
  /// What was said, and no welcome.
  Lines said() {
    Lines out;
    for (const Frame& f : std::exchange(frames, {})) out.push_back(*f.text);
    for (const Frame& f : peerjs.take_frames()) out.push_back(*f.text);
    return out;
  }

  signal::UrlIceProvider ice{std::vector<std::string>{}};
  signal::Router router;
  signal::Cluster cluster;
  Native native;
  PeerJs peerjs;
  Frames frames;
};

class SeveralNodes : public ::testing::Test {
 protected:
  void SetUp() override {
    signal::Options rules;
    rules.token = "secret";
    rules.resume_time = 0ms;
    rules.common_rooms = {{"peerjs", 0}};
    a_ = std::make_unique<Node>(rules, random_);
    b_ = std::make_unique<Node>(rules, random_);
    a_->cluster.connected(now_), b_->cluster.connected(now_);
    pass(1s);
    a_->native.opened(now_, 1, Endpoint{}, a_->frames);
    say(R"({"t":"hello","v":1,"token":"secret","peer":"ada"})");
    say(R"({"t":"join","room":"peerjs"})");
    b_->peerjs.opened(now_, 1, Endpoint{}, {"secret", "bob", "t"});
    pump();
    a_->said(), b_->said();
  }
  void say(std::string_view text) { a_->native.text(now_, 1, text, a_->frames); }
  void pump() {
    for (int round = 0; round < 5; ++round) {
      for (Node* from : {a_.get(), b_.get()}) {
        for (const auto& one : from->cluster.take(now_)) {
          if (cut_) continue;
          for (Node* to : {a_.get(), b_.get()}) {
            const bool common = one.channel == to->cluster.common_channel();
            if (common || one.channel == to->cluster.own_channel()) to->cluster.received(now_, one.frame);
          }
        }
      }
    }
  }
  void pass(Duration time) {
    for (const TimePoint end = now_.mono + time; now_.mono < end; now_.mono += 100ms) {
      a_->cluster.tick(now_), b_->cluster.tick(now_);
      pump();
    }
  }

  SeededRandom random_;
  Now now_{TimePoint(1h), WallTime(std::chrono::seconds(1'700'000'000))};
  bool cut_ = false;
  std::unique_ptr<Node> a_;
  std::unique_ptr<Node> b_;
};

TEST_F(SeveralNodes, DialectsMeet) {
  say(R"({"t":"send","room":"peerjs","to":"bob","kind":"offer","data":{"a":1}})");
  pump();
  EXPECT_EQ(b_->said(), Lines{R"({"type":"OFFER","src":"ada","dst":"bob","payload":{"a":1}})"});
  b_->peerjs.text(now_, 1, R"({"type":"ANSWER","dst":"ada","payload":{"b":2}})");
  pump();
  EXPECT_EQ(a_->said(), Lines{R"({"t":"msg","room":"peerjs","from":"bob","kind":"answer","data":{"b":2}})"});
}

TEST_F(SeveralNodes, EachSaysWhatDidNotArriveInItsOwnWords) {
  cut_ = true;
  say(R"({"t":"send","room":"peerjs","to":"bob","kind":"offer","data":1})");
  b_->peerjs.text(now_, 1, R"({"type":"CANDIDATE","dst":"ada","payload":{}})");
  EXPECT_EQ(a_->said(), Lines{}) << "it may arrive";
  pass(4s);
  EXPECT_EQ(a_->said(),
            Lines{R"({"t":"error","code":"unknown_target","message":"the peer is out of reach: a )"
                  R"(message to it may not have arrived","room":"peerjs","to":"bob"})"});
  EXPECT_EQ(b_->said(), Lines{R"({"type":"EXPIRE","src":"ada","dst":"bob"})"});
  say(R"({"t":"send","id":1,"room":"peerjs","to":"bob","kind":"offer","data":1})");
  const Lines refused = a_->said();
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_NE(refused[0].find(R"("code":"unknown_target")"), std::string::npos) << refused[0];
  EXPECT_NE(refused[0].find("retryAfter"), std::string::npos) << refused[0];
}

}  // namespace
}  // namespace ts::dialect
