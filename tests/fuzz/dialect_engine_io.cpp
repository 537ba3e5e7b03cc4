// SPDX-License-Identifier: Apache-2.0
// Whole sessions of Engine.IO: the input is a script of requests, WebSockets, payloads and time. Checks that
// every request is answered once, that closed WebSockets stay silent, and that nothing is left over.
#include <array>
#include <cstdlib>
#include <set>
#include <string>

#include <turnstone/dialect/engine_io.hpp>

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

SocketIoOptions options() {
  SocketIoOptions o;
  o.ping_interval = std::chrono::milliseconds(300);
  o.ping_timeout = std::chrono::milliseconds(200);
  o.upgrade_timeout = std::chrono::milliseconds(400);
  o.close_timeout = std::chrono::milliseconds(100);
  o.max_sessions = 6;
  o.max_polling_sessions_per_source = 4;
  o.max_send_queue_bytes = 512;
  return o;
}

constexpr std::string_view kTexts[] = {"2probe",
                                       "5",
                                       "4echo",
                                       "3",
                                       "4close",
                                       "1",
                                       "4echo\x1e"
                                       "bAQID",
                                       "bAQID"};

class Script final : public EngineIo::Upper {
 public:
  void run(ByteView input) {
    ByteReader in(input);
    while (in.ok() && in.remaining() > 0) step(in);
    engine_.close_all(now_);
    check();
    now_.mono += std::chrono::seconds(10);
    engine_.tick(now_);
    check();
    require(engine_.session_count() == 0 && waiting_.empty() && sockets_.empty() && live_ == 0);
    require(engine_.counters().sessions[0] + engine_.counters().sessions[1] == 0);
  }

  void engine_opened(const Now&, EngineSession session) override {
    ++live_;
    last_ = session;
  }
  void engine_message(const Now& now, EngineSession session, bool binary, std::string_view data) override {
    if (data == "close") return engine_.close(now, session, EngineEnd::ServerClose);
    const auto text =
        std::make_shared<const std::string>(binary ? std::string(data) : "4" + std::string(data));
    engine_.send(session, {text, binary});
    engine_.send(last_, {text, binary});
  }
  void engine_alive(const Now&, EngineSession) override {}
  void engine_closed(const Now& now, EngineSession session, EngineEnd) override {
    --live_;
    engine_.send(session, {std::make_shared<const std::string>("4no"), false});
    engine_.close(now, session, EngineEnd::ServerClose);
  }

 private:
  void step(ByteReader& in) {
    const std::uint8_t op = in.u8();
    const std::string sid = op / 16 % 4 != 3 ? sid_ : std::string();
    const EngineQuery polling{op < 250 ? "4" : "3", "polling", sid};
    switch (op % 8) {
      case 0:
        waiting_.insert(++next_);
        engine_.get(now_, next_, polling, IpAddress{});
        break;
      case 1: post(in, polling); break;
      case 2: open({"4", "websocket", sid}); break;
      case 3:
      case 4:
        if (!sockets_.empty()) socket_message(in, *sockets_.rbegin());
        break;
      case 5: now_.mono += std::chrono::milliseconds(in.u16() % 700); break;
      case 6: engine_.tick(now_); break;
      default: gone(op);
    }
    check();
  }
  std::string body(ByteReader& in) {
    const std::uint8_t pick = in.u8();
    if (pick < 200) return std::string(kTexts[pick % std::size(kTexts)]);
    const std::size_t size = in.u8();
    return std::string(as_text(in.bytes(std::min(size, in.remaining()))));
  }
  void post(ByteReader& in, const EngineQuery& query) {
    if (engine_.post_begins(now_, ++next_, query)) return;
    const std::string text = body(in);
    if (text == "6") return engine_.post_refused(next_, EngineError::TooLarge);
    waiting_.insert(next_);
    engine_.post(now_, next_, text);
  }
  void open(const EngineQuery& query) {
    if (engine_.check_upgrade(now_, query)) return;
    sockets_.insert(++next_);
    engine_.socket_opened(now_, next_, query, IpAddress{});
  }
  void socket_message(ByteReader& in, EngineSocketId id) {
    const std::string text = body(in);
    engine_.socket_message(now_, id, text.starts_with('\x01'), text);
  }
  void gone(std::uint8_t op) {
    if (op >= 128 && !sockets_.empty()) {
      const EngineSocketId id = *sockets_.begin();
      sockets_.erase(id);
      engine_.socket_closed(now_, id, EngineEnd::TransportClose);
    } else if (!waiting_.empty()) {
      const EngineRequestId id = *waiting_.begin();
      waiting_.erase(id);
      engine_.request_gone(now_, id);
    }
  }
  void check() {
    for (const EngineAction& action : engine_.take_actions(now_)) {
      if (const auto* answer = std::get_if<EngineAnswer>(&action)) {
        require(waiting_.erase(answer->request) == 1 && !answer->payload.empty());
        if (answer->payload.starts_with("0{")) sid_ = answer->payload.substr(9, 20);
      } else if (const auto* reject = std::get_if<EngineReject>(&action)) {
        require(waiting_.erase(reject->request) == 1 && reject->refusal.status() >= 400);
      } else if (const auto* frame = std::get_if<EngineFrame>(&action)) {
        require(sockets_.contains(frame->socket));
        if (frame->wire.bytes->starts_with("0{")) sid_ = frame->wire.bytes->substr(9, 20);
      } else {
        require(sockets_.erase(std::get<EngineCloseSocket>(action).socket) == 1);
      }
    }
    require(engine_.take_actions(now_).empty());
  }

  CountingRandom random_;
  EngineIo engine_{options(), random_, *this};
  Now now_{TimePoint(std::chrono::hours(1)), WallTime(std::chrono::seconds(1))};
  std::set<EngineRequestId> waiting_;
  std::set<EngineSocketId> sockets_;
  std::uint64_t next_ = 0;
  EngineSession last_;
  std::string sid_;
  int live_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Script script;
  script.run({data, size});
  return 0;
}
