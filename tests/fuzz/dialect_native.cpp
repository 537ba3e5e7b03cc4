// SPDX-License-Identifier: Apache-2.0
// Whole sessions of the native protocol: the input is a script of connects, texts, closes and time steps on
// several connections. Checks that answers are well-formed, that closed connections stay silent, and that
// nothing is left over.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>
#include <string>

#include <turnstone/dialect/json.hpp>
#include <turnstone/dialect/native.hpp>

namespace {

using namespace ts;
using signal::ConnectionId;

class CountingRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override {
    for (auto& b : out) b = static_cast<std::uint8_t>(++state_ * 131U >> 3);
  }

 private:
  std::uint32_t state_ = 0;
};

void require(bool condition) {
  if (!condition) std::abort();
}

signal::Options options() {
  signal::Options o;
  o.token = "t";
  o.max_members_per_room = 3;
  o.max_rooms_per_member = 2;
  o.max_queued_per_target = 2;
  o.max_connections = 6;
  o.max_message_bytes = 4096;
  o.message_burst = 300;
  o.max_resume_messages = 6;
  o.max_resume_bytes = 4096;
  return o;
}

/// Texts that get a script past its first steps; the input may send its own instead.
constexpr std::string_view kTexts[] = {
    R"({"t":"hello","v":1,"token":"t","peer":"a"})",
    R"({"t":"hello","v":1,"token":"t","peer":"b"})",
    R"({"t":"hello","v":1,"token":"t"})",
    R"({"t":"join","id":1,"room":"r"})",
    R"({"t":"join","room":"s","meta":{"m":[1]}})",
    R"({"t":"leave","room":"r"})",
    R"({"t":"send","id":2,"to":"*","kind":"custom","data":0})",
    R"({"t":"send","id":3,"room":"r","to":["a","b"],"kind":"offer","queue":900})",
    R"({"t":"update","meta":7})",
    R"({"t":"bye"})",
    R"({"t":"room","id":4,"room":"r","size":2,"locked":false,"meta":1})",
    R"({"t":"kick","id":5,"room":"r","peer":"b","reason":"x"})",
    R"({"t":"ban","id":7,"room":"r","peer":"b","seconds":1})",
    R"({"t":"ack","seq":3})",
    R"({"t":"list","id":6,"room":"r"})",
};

class Session {
 public:
  void run(ByteView input) {
    ByteReader in(input);
    while (in.ok() && in.remaining() > 0) step(in);
    finish();
  }

 private:
  void step(ByteReader& in) {
    const std::uint8_t op = in.u8();
    const ConnectionId id = slots_[in.u8() % kSlots];
    switch (op % 8) {
      case 0: connect(in.u8() % kSlots); break;
      case 1: native_.closed(now_, id, static_cast<signal::CloseReason>(op / 8 % 4), frames_); break;
      case 2: now_.mono += std::chrono::milliseconds(in.u16()); break;
      case 3: native_.tick(now_, frames_); break;
      case 4: op < 250 ? native_.alive(now_, id) : native_.slow_consumer(now_, id, frames_); break;
      case 5: {
        const std::uint8_t which = in.u8();
        if (which >= 0xE0) {
          resume(id, which % 8);
        } else {
          native_.text(now_, id, kTexts[which % std::size(kTexts)], frames_);
        }
        break;
      }
      default: {
        const std::size_t size = in.u16() % 2048;
        native_.text(now_, id, as_text(in.bytes(std::min(size, in.remaining()))), frames_);
      }
    }
    if (op % 8 == 1) live_.erase(id);
    check();
  }

  /// Goes on with the newest session, as though it had got messages up to `seq`.
  void resume(ConnectionId id, unsigned seq) {
    const std::string text =
        R"({"t":"hello","v":1,"resume":)" + session_ + R"("seq":)" + std::to_string(seq) + "}}";
    native_.text(now_, id, text, frames_);
  }

  void connect(std::size_t slot) {
    native_.closed(now_, slots_[slot], signal::CloseReason::Lost, frames_);
    live_.erase(slots_[slot]);
    slots_[slot] = ++last_id_;
    live_.insert(last_id_);
    native_.opened(now_, last_id_, {}, frames_);
  }

  void check() {
    for (const dialect::Frame& frame : frames_) {
      if (frame.close_code != 0) {
        require(live_.erase(frame.connection) == 1 && frame.text->size() <= 123);
      } else {
        require(live_.contains(frame.connection) && dialect::json::valid(*frame.text, 40));
        note_session(*frame.text);
      }
    }
    frames_.clear();
    require(router_.counters().connections == live_.size());
  }

  /// Of a welcome: its sid and key, up to where the seq of a resume stands.
  void note_session(const std::string& text) {
    const std::size_t sid = text.find("\"sid\":");
    const std::size_t peer = text.find("\"peer\":");
    if (!text.starts_with(R"({"t":"welcome")") || sid == std::string::npos || peer < sid) return;
    session_ = "{" + text.substr(sid, peer - sid);
  }

  void finish() {
    for (const ConnectionId id : slots_) native_.closed(now_, id, signal::CloseReason::Lost, frames_);
    now_.mono += std::chrono::minutes(1);
    native_.tick(now_, frames_);
    const signal::Counters& c = router_.counters();
    require(c.lost == 0 && c.replay_bytes == 0);
    require(c.connections == 0 && c.members == 0 && c.rooms == 0 && c.memberships == 0 && c.queued == 0);
  }

  static constexpr std::size_t kSlots = 8;
  CountingRandom random_;
  signal::UrlIceProvider ice_{
      {"stun:s", "turn:t"}, [](const Now&, std::string_view user) {
        return signal::IceCredential{std::string(user), "p", std::chrono::seconds(60)};
      }};
  signal::Router router_{options(), random_, ice_};
  dialect::Native native_{router_};
  dialect::Frames frames_;
  Now now_{TimePoint(std::chrono::hours(1)), WallTime(std::chrono::seconds(1))};
  std::array<ConnectionId, kSlots> slots_{};
  std::set<ConnectionId> live_;
  std::string session_ = R"({"sid":"a","key":"b",)";
  ConnectionId last_id_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Session session;
  session.run({data, size});
  return 0;
}
