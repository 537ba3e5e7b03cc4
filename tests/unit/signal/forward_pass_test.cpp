// SPDX-License-Identifier: Apache-2.0
// Marks, and passes: good once, for one request, at one node, for a while.
#include <algorithm>
#include <functional>
#include <memory>

#include <gtest/gtest.h>

#include <turnstone/signal/forward_pass.hpp>

namespace ts::signal {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kOne = "one-mark";
constexpr std::string_view kTwo = "two-mark";
constexpr std::string_view kTarget = "/socket.io/?EIO=4&transport=polling&sid=two-markabcdef";

PassedRequest post() {
  PassedRequest out;
  out.method = "POST";
  out.target = kTarget;
  out.client = *Endpoint::parse("192.0.2.7:4321");
  out.body = sha256({as_bytes("40")});
  return out;
}

class ForwardPass : public ::testing::Test {
 protected:
  static ClusterKey key(std::string_view secret = "a secret of all nodes") {
    return derive(secret, kForwardPurpose);
  }
  std::string pass() { return maker_.make(now_, kTwo, post()); }
  /// "good", or the fault; in a buffer of exactly its size.
  std::string look(std::string_view text, std::string_view method = "POST",
                   std::string_view target = kTarget) {
    const auto exact = std::make_unique<char[]>(text.size());
    std::copy(text.begin(), text.end(), exact.get());
    const auto accepted = checker_.accept(now_, {exact.get(), text.size()}, method, target);
    return accepted ? "good" : std::string(to_string(accepted.error()));
  }

  WallTime now_{1'800'000'000s};
  PassMaker maker_{key(), std::string(kOne)};
  PassChecker checker_{key(), std::string(kTwo)};
};

const std::string kMalformed(to_string(PassFault::Malformed));
const std::string kForged(to_string(PassFault::Forged));
const std::string kStale(to_string(PassFault::Stale));
const std::string kRepeated(to_string(PassFault::Repeated));
const std::string kCrowded(to_string(PassFault::Crowded));

TEST_F(ForwardPass, AMarkIsOfOneNodeAndTellsNothing) {
  const std::string mark = mark_of("AbCdEfGhIjKlMnOp");
  EXPECT_EQ(mark.size(), kMarkBytes);
  EXPECT_EQ(mark, mark_of("AbCdEfGhIjKlMnOp"));
  EXPECT_NE(mark, mark_of("AbCdEfGhIjKlMnOq"));
  EXPECT_EQ(std::string("AbCdEfGhIjKlMnOp").find(mark), std::string::npos);
  EXPECT_EQ(mark_in(mark + "x"), mark);
  EXPECT_EQ(mark_in(mark), "");
  EXPECT_EQ(mark_in(""), "");
}

TEST_F(ForwardPass, SaysWhoseRequestItIs) {
  const auto accepted = checker_.accept(now_, pass(), "POST", kTarget);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->client, post().client);
  EXPECT_EQ(accepted->body, post().body);
  PassedRequest v6 = post();
  v6.client = *Endpoint::parse("[2001:db8::1]:5");
  const auto other = checker_.accept(now_, maker_.make(now_, kTwo, v6), "POST", kTarget);
  ASSERT_TRUE(other);
  EXPECT_EQ(other->client, v6.client);
}

TEST_F(ForwardPass, IsGoodOnce) {
  const std::string first = pass();
  const std::string second = pass();
  EXPECT_EQ(look(second), "good");
  EXPECT_EQ(look(first), "good") << "the ways of two requests may cross";
  EXPECT_EQ(look(first), kRepeated);
  EXPECT_EQ(look(second), kRepeated);
}

TEST_F(ForwardPass, IsGoodForOneRequestAtOneNode) {
  EXPECT_EQ(look(pass(), "GET"), kForged);
  EXPECT_EQ(look(pass(), "POST", "/socket.io/?EIO=4&transport=polling&sid=two-markabcdeg"), kForged);
  EXPECT_EQ(look(maker_.make(now_, "oth-mark", post())), kForged);
  PassMaker stranger(key("another secret entirely"), std::string(kOne));
  EXPECT_EQ(look(stranger.make(now_, kTwo, post())), kForged);
  PassMaker other_purpose(derive("a secret of all nodes", kFramesPurpose), std::string(kOne));
  EXPECT_EQ(look(other_purpose.make(now_, kTwo, post())), kForged);
  EXPECT_EQ(look(pass()), "good") << "what is refused spoils nothing";
}

TEST_F(ForwardPass, NoByteOfItMayChange) {
  const std::string good = pass();
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == '7' ? '8' : '7';
    if (bad == good) continue;
    EXPECT_NE(look(bad), "good") << i << ' ' << bad;
  }
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_NE(look(good.substr(0, size)), "good") << size;
  EXPECT_NE(look(good + " "), "good");
  EXPECT_EQ(look(std::string(kMaxPassBytes + 1, 'x')), kMalformed);
  EXPECT_EQ(look(""), kMalformed);
  EXPECT_EQ(look(good), "good");
}

TEST_F(ForwardPass, ClocksMayDifferABit) {
  const std::string early = pass();
  const std::string late = pass();
  const std::string at_end = pass();
  now_ += kPassLife;
  EXPECT_EQ(look(at_end), "good");
  now_ += 1s;
  EXPECT_EQ(look(late), kStale);
  now_ -= 2 * kPassLife + 2s;
  EXPECT_EQ(look(early), kStale);
}

TEST_F(ForwardPass, TooManyNodesAreTooMany) {
  const auto show = [&](std::size_t i) {
    std::string from = std::to_string(10'000'000 + i);
    return look(PassMaker(key(), from).make(now_, kTwo, post()));
  };
  for (std::size_t i = 0; i < kMaxPassSenders; ++i) EXPECT_EQ(show(i), "good") << i;
  EXPECT_EQ(show(kMaxPassSenders), kCrowded);
  now_ += 2 * kPassLife + 1s;
  EXPECT_EQ(show(kMaxPassSenders), "good") << "those that are silent make room";
}

TEST(ForwardReplayWindow, TakesEachNumberOnce) {
  constexpr std::uint64_t kSize = ReplayWindow::kSize;
  struct Case {
    std::uint64_t number;
    bool taken;
  };
  const Case cases[] = {{0, false},
                        {5, true},
                        {5, false},
                        {3, true},
                        {3, false},
                        {kSize + 4, true},
                        {5, false},
                        {4, false},  // too far behind
                        {6, true},
                        {3 * kSize, true},
                        {2 * kSize, false},
                        {2 * kSize + 1, true},
                        {2 * kSize + 1, false},
                        {UINT64_MAX, true},
                        {UINT64_MAX, false},
                        {1, false}};
  ReplayWindow window;
  for (const Case& c : cases) EXPECT_EQ(window.take(c.number), c.taken) << c.number;
}

}  // namespace
}  // namespace ts::signal
