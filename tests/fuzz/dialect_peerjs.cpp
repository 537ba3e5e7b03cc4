// SPDX-License-Identifier: Apache-2.0
// Whole sessions of PeerJS clients: the input is a script of connects, messages, losses and time. Checks that
// what is said is JSON of the protocol, that closed connections stay silent, and that nothing is left.
#include <cstdlib>
#include <set>
#include <string>

#include <turnstone/dialect/json.hpp>
#include <turnstone/dialect/peerjs.hpp>

namespace {

using namespace ts;
using namespace ts::dialect;

void require(bool condition) {
  if (!condition) std::abort();
}

class CountingRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override {
    for (auto& b : out) b = static_cast<std::uint8_t>(++state_ * 131U >> 3);
  }

 private:
  std::uint32_t state_ = 0;
};

signal::Options signal_options() {
  signal::Options o;
  o.token = "t";
  o.max_members_per_room = 3;
  o.max_connections = 5;
  o.message_burst = 300;
  return o;
}

constexpr std::string_view kNames[] = {"a", "b", "c", "", "x\x01"};
constexpr std::string_view kTexts[] = {
    R"({"type":"HEARTBEAT"})",
    R"({"type":"OFFER","dst":"a","payload":{"sdp":[1]}})",
    R"({"type":"OFFER","dst":"b","payload":1})",
    R"({"type":"CANDIDATE","dst":"c"})",
    R"({"type":"EXPIRE","dst":"a"})",
    R"({"type":"LEAVE","dst":"b"})",
    R"({"type":"LEAVE"})",
};

class Script {
 public:
  void run(ByteView input) {
    ByteReader in(input);
    while (in.ok() && in.remaining() > 0) step(in);
    while (!open_.empty()) lose(*open_.begin());
    now_.mono += std::chrono::minutes(10);
    tick();
    const signal::Counters& c = router_.counters();
    require(c.connections == 0 && c.members == 0 && c.rooms == 0 && c.queued == 0);
    require(peerjs_.counters().connections == 0);
  }

 private:
  signal::ConnectionId nth(std::size_t number) const {
    auto at = open_.begin();
    while (number-- > 0) ++at;
    return *at;
  }
  void step(ByteReader& in) {
    const std::uint8_t op = in.u8();
    const std::uint8_t pick = in.u8();
    const signal::ConnectionId id = open_.empty() ? 0 : nth(pick % open_.size());
    switch (op % 6) {
      case 0: {
        open_.insert(++last_);
        const std::string_view name = kNames[pick % std::size(kNames)];
        const std::string token = op >= 128 ? "t" : "u";
        peerjs_.opened(now_, last_, Endpoint{}, {op % 4 < 2 ? "t" : "peerjs", std::string(name), token});
        break;
      }
      case 1: lose(id); break;
      case 2: now_.mono += std::chrono::milliseconds(in.u16()); break;
      case 3: tick(); break;
      case 4: peerjs_.text(now_, id, kTexts[pick % std::size(kTexts)]); break;
      default: {
        const std::size_t size = in.u8();
        peerjs_.text(now_, id, as_text(in.bytes(std::min(size, in.remaining()))));
      }
    }
    check();
  }
  void lose(signal::ConnectionId id) {
    open_.erase(id);
    peerjs_.closed(now_, id, signal::CloseReason::Lost);
    check();
  }
  void tick() {
    router_.tick(now_, outbox_);
    peerjs_.deliver(now_, outbox_);
    outbox_.clear();
    check();
  }
  void check() {
    for (const Frame& frame : peerjs_.take_frames()) {
      require(open_.contains(frame.connection));
      if (frame.close_code == 0) {
        require(json::valid(*frame.text) && frame.text->starts_with("{\"type\":\""));
        continue;
      }
      open_.erase(frame.connection);
      peerjs_.closed(now_, frame.connection, signal::CloseReason::Lost);
    }
  }

  CountingRandom random_;
  signal::UrlIceProvider ice_{{"stun:s"}};
  signal::Router router_{signal_options(), random_, ice_};
  PeerJs peerjs_{PeerJsOptions{}, router_, random_, 2};
  signal::Outbox outbox_;
  Now now_{TimePoint(std::chrono::hours(1)), WallTime(std::chrono::seconds(1))};
  std::set<signal::ConnectionId> open_;
  signal::ConnectionId last_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  parse_peerjs(as_text({data, size}));
  Script script;
  script.run({data, size});
  return 0;
}
