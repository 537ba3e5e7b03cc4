// SPDX-License-Identifier: Apache-2.0
// Frames of other nodes: whatever they say, the Router stays whole, and what is read is written as it was.
// The input is frames, unsigned, with two bytes of length before each.
#include <array>
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

/// As a node would say it: with the version, the next serial number and a signature.
std::string sealed(std::string frame, const ClusterKey& key, const Cluster& to, std::uint64_t serial) {
  constexpr std::size_t kVersionAt = 3;
  constexpr std::size_t kSerialAt = 5;
  if (frame.size() < kSerialAt + sizeof serial) return frame;
  frame[kVersionAt] = static_cast<char>(wire::kVersion);
  std::array<std::uint8_t, sizeof serial> bytes{};
  store_be64(bytes.data(), serial);
  frame.replace(kSerialAt, sizeof serial, as_text(bytes));
  const bool to_one = wire::look_at(frame) == wire::Look::ToOne;
  wire::seal(HmacSha256Key(ByteView(key.bytes)), to_one ? to.own_channel() : to.common_channel(), frame);
  return frame;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Random random;
  Options options;
  options.open = true;
  const std::vector<std::string> no_urls;
  UrlIceProvider ice(no_urls);
  Router router(options, random, ice);
  const ClusterKey key = derive("fuzz", kFramesPurpose);
  Cluster cluster(router, random, "fuzz", key);
  Outbox out;
  Now now{TimePoint(std::chrono::hours(1)), WallTime(std::chrono::seconds(1'700'000'000))};
  cluster.connected(now);
  for (const auto& one : cluster.take(now)) cluster.received(now, one.frame);  // it hears itself
  if (!router.opened(now, 1, Endpoint{}, 0, out)) std::abort();
  if (!router.hello(now, 1, Hello{"", "ada"}, out) || !router.join(now, 1, "r", {}, out)) std::abort();
  out.clear();
  ByteReader in(ByteView(data, size));
  std::uint64_t serial = 0;
  while (in.remaining() >= 2) {
    const std::uint16_t length = in.u16();
    const std::string frame(as_text(in.bytes(std::min<std::size_t>(length, in.remaining()))));
    check_wire(frame);
    cluster.received(now, frame);
    cluster.received(now, sealed(frame, key, cluster, ++serial));
    now.mono += std::chrono::milliseconds(300);
    cluster.tick(now);
    cluster.take(now);
  }
  now.mono += std::chrono::hours(1);
  cluster.tick(now);
  router.close_all(CloseCode::Drain, "end", out);
  return 0;
}
