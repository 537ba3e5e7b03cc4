// SPDX-License-Identifier: Apache-2.0
// The native protocol over a real Router on a fake clock, and what it sends as readable lines.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <turnstone/dialect/native.hpp>

namespace ts::dialect {

using namespace std::chrono_literals;
using signal::CloseCode;
using signal::CloseReason;
using signal::ConnectionId;
using signal::ErrorCode;
using signal::MessageType;
using Lines = std::vector<std::string>;

class SeededRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override {
    for (auto& b : out) b = static_cast<std::uint8_t>(engine_());
  }

 private:
  std::mt19937 engine_{3};
};

inline signal::Options options() {
  signal::Options o;
  o.token = "secret";
  o.max_members_per_room = 3;
  o.max_rooms_per_member = 2;
  o.max_connections = 20;
  o.max_queued_per_target = 2;
  o.max_message_bytes = 8192;
  o.resume_time = 0ms;  // native_resume_test.cpp has sessions that may resume
  return o;
}

class NativeTest : public ::testing::Test {
 protected:
  void start(signal::Options o) {
    native_.reset();
    router_ = std::make_unique<signal::Router>(std::move(o), random_, ice_);
    native_ = std::make_unique<Native>(*router_);
  }
  void SetUp() override { start(options()); }

  /// "1< text" for a message to 1, "1! 4001 reason" for a close.
  Lines said() {
    Lines all;
    for (const Frame& f : frames_) {
      if (f.close_code == 0) {
        EXPECT_TRUE(nlohmann::json::accept(*f.text)) << *f.text;
      }
      const std::string code = f.close_code == 0 ? "<" : "! " + std::to_string(f.close_code);
      all.push_back(std::to_string(f.connection) + code + " " + *f.text);
    }
    frames_.clear();
    return all;
  }
  /// Says a text; what follows.
  Lines say(ConnectionId id, std::string_view text) {
    // Exactly sized, so that a read past the end is seen; gone before the frames are looked at.
    {
      const auto copy = std::make_unique<char[]>(text.size());
      text.copy(copy.get(), text.size());
      native_->text(now_, id, std::string_view(copy.get(), text.size()), frames_);
    }
    return said();
  }
  void open(ConnectionId id) { native_->opened(now_, id, Endpoint{}, frames_); }
  void member(ConnectionId id, const std::string& peer, const std::string& room = {}) {
    open(id);
    say(id, R"({"t":"hello","v":1,"token":"secret","peer":")" + peer + "\"}");
    ASSERT_TRUE(router_->is_member(id));
    if (!room.empty()) say(id, R"({"t":"join","room":")" + room + "\"}");
  }
  Lines tick() {
    native_->tick(now_, frames_);
    return said();
  }

  SeededRandom random_;
  signal::UrlIceProvider ice_{{"stun:s.test", "turn:t.test"}, [](const Now&, std::string_view user) {
                                return signal::IceCredential{"1:" + std::string(user), "pw", 600s};
                              }};
  Now now_{TimePoint(1h), WallTime(1s)};
  Frames frames_;
  std::unique_ptr<signal::Router> router_;
  std::unique_ptr<Native> native_;
};

}  // namespace ts::dialect
