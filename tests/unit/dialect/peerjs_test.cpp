// SPDX-License-Identifier: Apache-2.0
// PeerJS over a real Router on a fake clock: who is let in, what is relayed, what expires; and in one room
// with the native protocol.
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/dialect/native.hpp>
#include <turnstone/dialect/peerjs.hpp>

namespace ts::dialect {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

class SeededRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override {
    for (auto& b : out) b = static_cast<std::uint8_t>(engine_());
  }

 private:
  std::mt19937 engine_{7};
};

TEST(PeerJsMessage, Forms) {
  const auto m = parse_peerjs(R"({"payload":{"sdp":{"a":1}},"type":"OFFER","dst":"b\u0041","src":"x"})");
  ASSERT_TRUE(m);
  EXPECT_EQ(m->type, PeerJsType::Offer);
  EXPECT_EQ(m->dst, "bA");
  EXPECT_EQ(m->payload, R"({"sdp":{"a":1}})");
  EXPECT_EQ(parse_peerjs(R"({"type":"HEARTBEAT"})")->type, PeerJsType::Heartbeat);
  EXPECT_EQ(parse_peerjs(R"({"type":"OPEN"})")->type, PeerJsType::Unknown);
  EXPECT_EQ(parse_peerjs(R"({"type":7,"dst":[]})")->type, PeerJsType::Unknown);
  for (const char* bad : {"", "[]", "{", "{}x", "null", "{\"type\":\"OFFER\xff\"}"}) {
    EXPECT_FALSE(parse_peerjs(bad)) << bad;
  }
}

class PeerJsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    signal::Options rules;
    rules.token = "secret";
    rules.max_members_per_room = 2;
    start(rules);
  }
  void start(signal::Options rules, PeerJsOptions options = {}) {
    rules.common_rooms = {{options.room, 0}};
    peerjs_.reset();
    native_.reset();
    router_ = std::make_unique<signal::Router>(rules, random_, ice_);
    native_ = std::make_unique<Native>(*router_);
    peerjs_ = std::make_unique<PeerJs>(options, *router_, random_, 2);
    native_->set_others([this](const signal::Outbox& o) { peerjs_->deliver(now_, o); });
    peerjs_->set_others([this](const Now&, const signal::Outbox& o) { native_->deliver(o, frames_); });
  }
  /// "1 text"; "1 x": it is closed; those of the native protocol with an n in front.
  Lines said() {
    Lines out;
    for (const Frame& f : peerjs_->take_frames()) {
      out.push_back(std::to_string(f.connection) + " " + (f.close_code != 0 ? "x" : *f.text));
    }
    for (const Frame& f : std::exchange(frames_, {})) out.push_back("n" + *f.text);
    return out;
  }
  Lines open(signal::ConnectionId id, const std::string& name, const std::string& token = "t",
             const std::string& key = "secret") {
    peerjs_->opened(now_, id, Endpoint{}, {key, name, token});
    return said();
  }
  Lines say(signal::ConnectionId id, std::string_view text) {
    peerjs_->text(now_, id, text);
    return said();
  }
  Lines after(Duration time) {
    now_.mono += time;
    native_->tick(now_, frames_);
    return said();
  }
  void lose(signal::ConnectionId id) { peerjs_->closed(now_, id, signal::CloseReason::Lost); }
  static std::string error(const std::string& text) {
    return R"({"type":"ERROR","payload":{"msg":")" + text + "\"}}";
  }

  SeededRandom random_;
  signal::UrlIceProvider ice_{{"stun:s.test"}};
  Now now_{TimePoint(1h), WallTime(1s)};
  std::unique_ptr<signal::Router> router_;
  std::unique_ptr<Native> native_;
  std::unique_ptr<PeerJs> peerjs_;
  Frames frames_;
};

const std::string kOpen = R"({"type":"OPEN"})";
const std::string kTaken = R"({"type":"ID-TAKEN","payload":{"msg":"ID is taken"}})";

// A client takes its life at an ERROR, and comes back after a close.
TEST_F(PeerJsTest, ADrainSendsClientsElsewhere) {
  open(1, "ada");
  native_->drain(now_, {1s, {}, 500ms}, frames_);
  EXPECT_EQ(said(), Lines{}) << "there is no word for it";
  EXPECT_EQ(open(2, "bob"), Lines{"2 x"});
  EXPECT_EQ(after(1499ms), Lines{});
  peerjs_->alive(now_, 1);
  EXPECT_EQ(after(1ms), Lines{"1 x"});
  EXPECT_EQ(peerjs_->counters().connections, 0U);
  router_->undrain();
  EXPECT_EQ(open(3, "ada"), Lines{"3 " + kOpen});
}

TEST_F(PeerJsTest, LetsInWhoShowsACredential) {
  EXPECT_EQ(open(1, "ada"), Lines{"1 " + kOpen});
  EXPECT_EQ(open(2, "bob", "secret", "peerjs"), Lines{"2 " + kOpen}) << "as token, with the common key";
  EXPECT_EQ(open(3, "c", "t", "peerjs"), (Lines{"3 " + error("Invalid token provided"), "3 x"}));
  EXPECT_EQ(open(4, "d", "secret", "wrong"), (Lines{"4 " + error("Invalid key provided"), "4 x"}));
  const std::string missing = error("No id, token, or key supplied to websocket server");
  EXPECT_EQ(open(5, ""), (Lines{"5 " + missing, "5 x"}));
  EXPECT_EQ(open(6, "e", ""), (Lines{"6 " + missing, "6 x"}));
  EXPECT_EQ(open(7, "e", "t", ""), (Lines{"7 " + missing, "7 x"}));
  EXPECT_EQ(open(8, "a\nb"), (Lines{"8 " + missing, "8 x"}));
  EXPECT_EQ(open(9, std::string(65, 'x')), (Lines{"9 " + missing, "9 x"}));
  EXPECT_EQ(router_->counters().connections, 2U);
  EXPECT_EQ(peerjs_->counters().connections, 2U);
  signal::Options rules;
  rules.open = true;
  start(rules);
  EXPECT_EQ(open(1, "ada", "t", "peerjs"), Lines{"1 " + kOpen});
  EXPECT_EQ(open(2, "bob", "t", "other").at(0), "2 " + error("Invalid key provided"));
}

TEST_F(PeerJsTest, NobodyIsLetInWithoutACredentialSet) {
  start({});
  EXPECT_EQ(open(1, "ada", "t", "peerjs").at(1), "1 x");
  EXPECT_FALSE(peerjs_->knows_key(now_, ""));
}

TEST_F(PeerJsTest, AnIdIsItsHolders) {
  open(1, "ada", "one");
  EXPECT_EQ(open(2, "ada", "two"), (Lines{"2 " + kTaken, "2 x"}));
  lose(2);
  // The same client comes back, while its old connection seems to live.
  EXPECT_EQ(open(3, "ada", "one"), (Lines{"1 x", "3 " + kOpen}));
  lose(1);
  EXPECT_EQ(peerjs_->counters().connections, 1U);
  EXPECT_EQ(say(3, R"({"type":"LEAVE"})"), Lines{"3 x"});
  EXPECT_EQ(open(4, "ada", "two"), Lines{"4 " + kOpen});
  // Nor with another token, whatever else it shows.
  EXPECT_EQ(open(5, "ada", "secret", "peerjs").at(0), "5 " + kTaken);
  lose(4);
  EXPECT_EQ(peerjs_->counters().connections, 0U);
  EXPECT_EQ(router_->counters().connections, 0U);
}

TEST_F(PeerJsTest, RelaysWithTheSendersName) {
  open(1, "ada"), open(2, "bob"), open(3, "cid");
  for (const char* type : {"OFFER", "ANSWER", "CANDIDATE", "LEAVE"}) {
    const std::string head = std::string(R"({"type":")") + type + '"';
    EXPECT_EQ(say(1, head + R"(,"payload":{"x":[1,  "\u00e9"]},"dst":"bob","src":"cid"})"),
              Lines{"2 " + head + R"(,"src":"ada","dst":"bob","payload":{"x":[1,  "\u00e9"]}})"});
  }
  EXPECT_EQ(say(1, R"({"type":"OFFER","dst":"bob"})"),
            Lines{R"(2 {"type":"OFFER","src":"ada","dst":"bob"})"});
  for (const char* nothing :
       {R"({"type":"HEARTBEAT"})", R"({"type":"OFFER"})", R"({"type":"NEWS","dst":"bob"})", "nonsense",
        R"({"type":"LEAVE","dst":"nobody"})", R"({"type":"EXPIRE","dst":"bob"})"}) {
    EXPECT_EQ(say(1, nothing), Lines{}) << nothing;
  }
  EXPECT_EQ(peerjs_->counters().received[static_cast<std::size_t>(PeerJsType::Invalid)], 1U);
}

TEST_F(PeerJsTest, WhatWaitsForAPeerIsDeliveredOrExpiresOnce) {
  open(1, "ada");
  const auto offer = [&](const std::string& to) {
    return say(1, R"({"type":"OFFER","dst":")" + to + R"(","payload":1})");
  };
  EXPECT_EQ(offer("bob"), Lines{});
  after(1s);
  say(1, R"({"type":"CANDIDATE","dst":"bob","payload":2})");
  after(3s);
  EXPECT_EQ(open(2, "bob"), (Lines{"2 " + kOpen, R"(2 {"type":"OFFER","src":"ada","dst":"bob","payload":1})",
                                   R"(2 {"type":"CANDIDATE","src":"ada","dst":"bob","payload":2})"}));
  const std::string expired = R"(1 {"type":"EXPIRE","src":"cid","dst":"ada"})";
  offer("cid");
  after(1s);
  say(1, R"({"type":"CANDIDATE","dst":"cid","payload":2})");
  EXPECT_EQ(after(4s), Lines{expired});
  EXPECT_EQ(after(1s), Lines{}) << "one for each try";
  offer("cid");
  EXPECT_EQ(after(5s), Lines{expired});
  EXPECT_EQ(peerjs_->counters().expired, 2U);
}

TEST_F(PeerJsTest, WhatWaitsIsBounded) {
  open(1, "ada");
  for (int i = 0; i < 65; ++i) EXPECT_EQ(say(1, R"({"type":"CANDIDATE","dst":"bob"})"), Lines{});
  EXPECT_EQ(say(1, R"({"type":"OFFER","dst":"bob"})"),
            Lines{R"(1 {"type":"EXPIRE","src":"bob","dst":"ada"})"});
}

TEST_F(PeerJsTest, NamesThatNobodyHasAreNotKept) {
  open(1, "ada");
  EXPECT_EQ(say(1, R"({"type":"CANDIDATE","dst":")" + std::string(65, 'x') + R"("})"), Lines{});
  EXPECT_EQ(after(10s), Lines{});
}

TEST_F(PeerJsTest, ItsRoomIsNobodys) {
  native_->opened(now_, 9, Endpoint{}, frames_);
  native_->text(now_, 9, R"({"t":"hello","v":1,"token":"secret","peer":"nat"})", frames_);
  native_->text(now_, 9, R"({"t":"join","room":"peerjs","options":{"locked":true}})", frames_);
  native_->text(now_, 9, R"({"t":"room","room":"peerjs","locked":true})", frames_);
  native_->text(now_, 9, R"({"t":"kick","room":"peerjs","peer":"ada"})", frames_);
  said();
  EXPECT_EQ(open(1, "ada").at(0), "1 " + kOpen);
}

TEST_F(PeerJsTest, MeetsTheNativeProtocol) {
  native_->opened(now_, 9, Endpoint{}, frames_);
  native_->text(now_, 9, R"({"t":"hello","v":1,"token":"secret","peer":"nat"})", frames_);
  native_->text(now_, 9, R"({"t":"join","room":"peerjs"})", frames_);
  said();
  const Lines lines = open(1, "ada");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_NE(lines[1].find("peer-joined"), std::string::npos);
  EXPECT_NE(say(1, R"({"type":"OFFER","dst":"nat","payload":{"sdp":1}})")
                .at(0)
                .find(R"("from":"ada","kind":"offer","data":{"sdp":1})"),
            std::string::npos);
  native_->text(now_, 9, R"({"t":"send","to":"ada","kind":"answer","data":{"sdp":2}})", frames_);
  EXPECT_EQ(said(), Lines{R"(1 {"type":"ANSWER","src":"nat","dst":"ada","payload":{"sdp":2}})"});
  signal::Outbox out;
  router_->close_room(now_, "peerjs", "closed", out);
  peerjs_->deliver(now_, out);
  EXPECT_EQ(said().at(1), "1 x");
  EXPECT_EQ(open(2, "nat").at(0), "2 " + kTaken);
}

TEST_F(PeerJsTest, RatesAreLimited) {
  signal::Options rules;
  rules.token = "secret";
  rules.messages_per_second = rules.message_burst = 1;
  start(rules);
  open(1, "ada"), open(2, "bob");
  EXPECT_EQ(say(1, R"({"type":"OFFER","dst":"bob"})").size(), 1U);
  Lines last;
  for (std::uint32_t i = 0; i < signal::kMaxRefusals; ++i) last = say(1, R"({"type":"OFFER","dst":"bob"})");
  EXPECT_EQ(last, Lines{"1 x"});
}

TEST_F(PeerJsTest, AnAddressJoinsAndSpeaksSoOften) {
  signal::Options rules;
  rules.token = "secret";
  rules.address_joins_per_second = 1;
  start(rules);
  const auto come = [&](signal::ConnectionId id, const std::string& name, const IpAddress& address) {
    peerjs_->opened(now_, id, Endpoint{address, 1}, {"secret", name, "t"});
    return said();
  };
  const IpAddress ada = IpAddress::v4(192, 0, 2, 1);
  for (signal::ConnectionId id = 1; id <= 4; ++id)
    EXPECT_EQ(come(id, "p" + std::to_string(id), ada), Lines{std::to_string(id) + " " + kOpen});
  EXPECT_EQ(come(5, "p5", ada),
            (Lines{R"(5 {"type":"ERROR","payload":{"msg":"Server has reached its concurrent user limit"}})",
                   "5 x"}));
  EXPECT_EQ(router_->counters().connections, 4U);
  EXPECT_EQ(come(6, "p6", IpAddress::v4(192, 0, 2, 2)), Lines{"6 " + kOpen});
  rules.address_joins_per_second = 0;
  rules.address_bytes_per_second = 10;
  start(rules);
  come(1, "p1", ada), come(2, "p2", ada);
  EXPECT_EQ(say(1, R"({"type":"OFFER","dst":"p2","payload":"a payload that takes it all"})").size(), 1U);
  EXPECT_EQ(say(2, R"({"type":"OFFER","dst":"p1"})"), Lines{}) << "dropped";
}

TEST_F(PeerJsTest, SilenceEndsIt) {
  open(1, "ada"), open(2, "bob");
  for (int i = 0; i < 5; ++i) {
    say(1, R"({"type":"HEARTBEAT"})");
    after(20s);
  }
  EXPECT_EQ(peerjs_->counters().connections, 1U);
  EXPECT_EQ(open(3, "bob"), Lines{"3 " + kOpen});
}

TEST_F(PeerJsTest, IdsAndPeers) {
  std::set<std::string> ids;
  for (int i = 0; i < 50; ++i) {
    const std::string id = peerjs_->new_id();
    ASSERT_EQ(id.size(), 36U);
    EXPECT_EQ(id[14], '4');
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef-"), std::string::npos);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 50U);
  EXPECT_TRUE(peerjs_->knows_key(now_, "peerjs") && peerjs_->knows_key(now_, "secret"));
  EXPECT_FALSE(peerjs_->knows_key(now_, "other"));
  EXPECT_FALSE(peerjs_->peers(now_, "secret"));
  PeerJsOptions options;
  options.allow_discovery = true;
  signal::Options rules;
  rules.token = "secret";
  start(rules, options);
  open(1, "bob"), open(2, "a\\\"da");
  EXPECT_EQ(peerjs_->peers(now_, "secret"), R"(["a\\\"da","bob"])");
  EXPECT_FALSE(peerjs_->peers(now_, "peerjs")) << "that key is no credential";
}

}  // namespace
}  // namespace ts::dialect
