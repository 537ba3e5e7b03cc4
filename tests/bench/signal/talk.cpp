// SPDX-License-Identifier: Apache-2.0
// Messages between pairs. Closed loop: as many are under way as the window says, and each that arrives is
// followed by one of the next client. Open loop: one is sent whenever it is due, and latency counts from
// then.
#include <cstdio>

#include "../relay/histogram.hpp"
#include "../relay/window.hpp"
#include "load.hpp"

namespace ts::load {
namespace {

constexpr double kComeSeconds = 60;
/// What is under way at the end has this long to arrive.
constexpr std::uint64_t kLastNs = 1'000'000'000;

class Talk {
 public:
  explicit Talk(const SignalOptions& options) : o_(options), load_(options) {
    load_.on_text = [this](Client& to, std::string_view text) { arrived(to, text); };
  }

  int run() {
    if (!load_.bring(kComeSeconds)) {
      std::fprintf(stderr, "signload: the clients are not there in time\n");
      return 1;
    }
    if (o_.second.port != 0) settle();
    Window window(o_.load);
    start_ns_ = window.start_ns();
    if (o_.load.rate <= 0) fill();
    for (;;) {
      const std::uint64_t now = now_ns();
      const bool open = window.open(now);
      measuring_ = window.measuring();
      if (!open) break;
      if (o_.load.rate > 0) send_due(now);
      load_.turn(wait_ms());
    }
    closing_ = true;
    const std::uint64_t until = now_ns() + kLastNs;
    while (sent_ > load_.totals.received && now_ns() < until) load_.turn(10);
    print(window);
    const Totals& t = load_.totals;
    return counted_ != 0 && t.right(false) && t.other == 0 && load_.dropped == 0 && sent_ == t.received ? 0
                                                                                                        : 1;
  }

 private:
  /// Nodes tell each other who is there in their own time.
  void settle() {
    constexpr std::uint64_t kSettleNs = 500'000'000;
    for (const std::uint64_t until = now_ns() + kSettleNs; now_ns() < until;) load_.turn(10);
  }
  void send(std::uint64_t due_ns) {
    load_.client(next_).send_next(due_ns);
    next_ = (next_ + 1) % load_.size();
    ++sent_;
  }
  void fill() {
    for (std::size_t i = 0; i < o_.load.window; ++i) send(now_ns());
  }
  void send_due(std::uint64_t now) {
    const double passed = static_cast<double>(now - start_ns_) / 1e9;
    const auto due = static_cast<std::uint64_t>(passed * o_.load.rate);
    while (paced_ < due) {
      send(start_ns_ + static_cast<std::uint64_t>(static_cast<double>(paced_ + 1) / o_.load.rate * 1e9));
      ++paced_;
    }
  }
  /// Until the next one is due; below a millisecond the loop goes round instead, since its sleep is longer.
  int wait_ms() const noexcept { return o_.load.rate <= 0 ? 20 : o_.load.rate < 500 ? 1 : 0; }

  void arrived(Client& to, std::string_view text) {
    std::uint64_t due_ns = 0;
    const bool right = check_text(text, o_.load.payload, to.partner(), to.order(), load_.totals, due_ns);
    if (right && measuring_) {
      ++counted_;
      latency_.add(now_ns() - due_ns);
    }
    if (!closing_ && o_.load.rate <= 0) send(now_ns());
  }

  void print(const Window& window) const {
    const Totals& t = load_.totals;
    const auto n = [](std::uint64_t v) { return static_cast<unsigned long long>(v); };
    std::printf(
        "{%s, \"sent\": %llu, \"received\": %llu, \"lost\": %llu, \"corrupt\": %llu, \"wrong_source\": %llu, "
        "\"duplicate\": %llu, \"reordered\": %llu, \"refused_by_server\": %llu, \"dropped\": %llu, %s}\n",
        window.json("message", counted_).c_str(), n(sent_), n(t.received),
        n(sent_ > t.received ? sent_ - t.received : 0), n(t.corrupt), n(t.wrong_source), n(t.duplicate),
        n(t.reordered), n(t.other), n(load_.dropped), latency_json("latency_us", latency_).c_str());
  }

  const SignalOptions& o_;
  Load load_;
  Histogram latency_;
  std::size_t next_ = 0;
  std::uint64_t start_ns_ = 0, paced_ = 0, sent_ = 0, counted_ = 0;
  bool measuring_ = false, closing_ = false;
};

}  // namespace

int run_talk(const SignalOptions& options) { return Talk(options).run(); }

}  // namespace ts::load
