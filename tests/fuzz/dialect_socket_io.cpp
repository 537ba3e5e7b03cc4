// SPDX-License-Identifier: Apache-2.0
// Whole sessions of Socket.IO with the signal application on top: the input is a script of connects, packets,
// closes and time. Checks that what is said is well-formed, also in what was relayed, and that nothing is
// left.
#include <array>
#include <cstdlib>
#include <map>
#include <string>

#include <turnstone/dialect/sio_app.hpp>

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

SocketIoOptions options(bool strict) {
  SocketIoOptions o;
  o.max_payload = 4096;
  o.stamp_from = strict;
  o.recovery_time = std::chrono::milliseconds(30'000);
  return o;
}

/// Texts that get a script past its first steps; the input may send its own instead.
constexpr std::string_view kTexts[] = {
    R"(40{"token":"t"})",
    R"(40{"token":"t","recovery":true})",
    R"(42["ready","a"])",
    R"(42["ready","b",{"t":1}])",
    R"(421["ready","c"])",
    R"(42["message",{"from":"x","target":"all","payload":[1]}])",
    R"(42["messageOne",{"target":"a","payload":1}])",
    R"(42["messageOne",{"target":"nobody"}])",
    R"(451-["message",{"_placeholder":true,"num":0}])",
    R"(451-7["messageOne",{"target":"b","x":{"_placeholder":true,"num":0}}])",
    "41",
    "3",
    R"(40{"token":"wrong"})",
    R"(40/x,)",
};

class Script {
 public:
  explicit Script(bool strict) : sio_(options(strict), random_), app_(options(strict), router_, sio_, 1) {}

  void run(ByteView input) {
    ByteReader in(input);
    while (in.ok() && in.remaining() > 0) step(in);
    sio_.engine().close_all(now_);
    check();
    now_.mono += std::chrono::minutes(10);
    tick();
    const signal::Counters& c = router_.counters();
    require(c.connections == 0 && c.members == 0 && c.rooms == 0 && sio_.counters().kept == 0);
    require(app_.connections({}) == "[]" && sockets_.empty());
  }

 private:
  void tick() {
    router_.tick(now_, outbox_);
    app_.deliver(now_, outbox_);
    outbox_.clear();
    sio_.tick(now_);
    app_.tick(now_);
    check();
  }
  void step(ByteReader& in) {
    const std::uint8_t op = in.u8();
    const EngineSocketId id = slots_[in.u8() % slots_.size()];
    switch (op % 8) {
      case 0: open(op / 8 % slots_.size()); break;
      case 1:
        sockets_.erase(id);
        sio_.engine().socket_closed(now_, id, EngineEnd::TransportClose);
        break;
      case 2: now_.mono += std::chrono::milliseconds(in.u16()); break;
      case 3: tick(); break;
      case 4: sio_.engine().socket_message(now_, id, true, "bin"); break;
      case 5:
      case 6: sio_.engine().socket_message(now_, id, false, kTexts[in.u8() % std::size(kTexts)]); break;
      default: {
        const std::size_t size = in.u16() % 1024;
        sio_.engine().socket_message(now_, id, op >= 240, as_text(in.bytes(std::min(size, in.remaining()))));
      }
    }
    check();
  }
  void open(std::size_t slot) {
    sockets_.erase(slots_[slot]);
    sio_.engine().socket_closed(now_, slots_[slot], EngineEnd::TransportClose);
    slots_[slot] = ++last_;
    sockets_[last_] = 0;
    sio_.engine().socket_opened(now_, last_, {"4", "websocket", ""}, IpAddress{});
  }
  void check() {
    for (const EngineAction& action : sio_.engine().take_actions(now_)) {
      if (const auto* frame = std::get_if<EngineFrame>(&action)) {
        const auto at = sockets_.find(frame->socket);
        require(at != sockets_.end());
        const std::string& bytes = *frame->wire.bytes;
        // Attachments come right behind their packet.
        require((at->second > 0) == frame->wire.binary);
        if (frame->wire.binary) {
          --at->second;
        } else if (bytes.starts_with("44")) {
          require(json::valid(bytes.substr(bytes.find('{')), kMaxSioDepth));
        } else if (bytes.starts_with('4')) {
          const auto packet = parse_sio_packet(std::string_view(bytes).substr(1));
          require(packet.has_value());
          at->second = packet->attachments;
        }
      } else if (const auto* close = std::get_if<EngineCloseSocket>(&action)) {
        require(sockets_.erase(close->socket) == 1);
      }
    }
  }

  CountingRandom random_;
  signal::UrlIceProvider ice_{{"stun:s"}};
  signal::Router router_{signal_options(), random_, ice_};
  SocketIo sio_;
  SioApp app_;
  signal::Outbox outbox_;
  Now now_{TimePoint(std::chrono::hours(1)), WallTime(std::chrono::seconds(1))};
  std::array<EngineSocketId, 5> slots_{};
  std::map<EngineSocketId, std::uint32_t> sockets_;
  EngineSocketId last_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  if (const auto packet = parse_sio_packet(text)) require(packet->attachments <= kMaxSioAttachments);
  if (size == 0) return 0;
  Script script(data[0] % 2 == 1);
  script.run({data + 1, size - 1});
  return 0;
}
