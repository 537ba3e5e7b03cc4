// SPDX-License-Identifier: Apache-2.0
// Frames of other nodes: whatever they say, the Router stays whole, and what is read is written as it was.
// The input is frames with two bytes of length before each.
#include <cstdlib>
#include <string>

#include <turnstone/signal/cluster.hpp>

#include "../../src/signal/cluster_wire.hpp"

namespace {

using namespace ts;
using namespace ts::signal;

class Random final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override {
    for (auto& byte : out) byte = static_cast<std::uint8_t>(state_ = state_ * 75 + 74);
  }

 private:
  std::uint32_t state_ = 1;
};

void check_wire(std::string_view frame) {
  wire::FrameReader in(frame);
  if (!in.head()) return;
  while (const auto op = in.next()) {
    const std::string bytes = wire::encode(*op);
    wire::FrameReader again(bytes);
    const auto same = again.next();
    if (!same || wire::encode(*same) != bytes) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Random random;
  Options options;
  options.open = true;
  const std::vector<std::string> no_urls;
  UrlIceProvider ice(no_urls);
  Router router(options, random, ice);
  Cluster cluster(router, random, "fuzz");
  Outbox out;
  Now now{TimePoint(std::chrono::hours(1)), WallTime(std::chrono::seconds(1'700'000'000))};
  cluster.connected(now);
  for (const auto& one : cluster.take(now)) cluster.received(now, one.frame);  // it hears itself
  if (!router.opened(now, 1, Endpoint{}, 0, out)) std::abort();
  if (!router.hello(now, 1, Hello{"", "ada"}, out) || !router.join(now, 1, "r", {}, out)) std::abort();
  out.clear();
  ByteReader in(ByteView(data, size));
  while (in.remaining() >= 2) {
    const std::uint16_t length = in.u16();
    const std::string frame(as_text(in.bytes(std::min<std::size_t>(length, in.remaining()))));
    check_wire(frame);
    cluster.received(now, frame);
    now.mono += std::chrono::milliseconds(300);
    cluster.tick(now);
    cluster.take(now);
  }
  now.mono += std::chrono::hours(1);
  cluster.tick(now);
  router.close_all(CloseCode::Drain, "end", out);
  return 0;
}
