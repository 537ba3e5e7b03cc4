// SPDX-License-Identifier: Apache-2.0
// Options::rfc5766_channels: RFC 5766 §11 let clients draw channel numbers up to 0x7FFF.
#include <gtest/gtest.h>

#include "harness.hpp"

namespace ts::turn::testing {
namespace {

const Endpoint kPeer = ep("9.9.9.9:5000");
const Bytes kData{1, 2, 3};

struct Outcome {
  int code;
  std::size_t relayed;
  bool came_back;
};

Outcome use(std::uint16_t channel, bool allowed) {
  Options options = default_options();
  options.rfc5766_channels = allowed;
  World world(options);
  Client client(world);
  EXPECT_EQ(client.allocate().code(), 0);
  Outcome out{client.bind(channel, kPeer).code(), 0, false};
  client.send_channel(channel, kData);
  out.relayed = world.to_peers.size();
  const std::size_t before = world.to_clients.size();
  world.peer_sends(client.relay(), kPeer, kData);
  out.came_back = world.to_clients.size() > before &&
                  world.to_clients.back().bytes == Client::channel_data(channel, kData);
  return out;
}

// RFC 8656 §12.2 MUST: channel numbers outside 0x4000-0x4FFF are 400
TEST(Rfc5766Channels, AreRefusedUnlessAllowed) {
  for (const std::uint16_t channel : std::initializer_list<std::uint16_t>{0x5000, 0x6ABC, 0x7FFF}) {
    const Outcome strict = use(channel, false);
    EXPECT_EQ(strict.code, 400) << channel;
    EXPECT_EQ(strict.relayed, 0U) << channel;
    const Outcome old = use(channel, true);
    EXPECT_EQ(old.code, 0) << channel;
    EXPECT_EQ(old.relayed, 1U) << channel;
    EXPECT_TRUE(old.came_back) << channel;
  }
  EXPECT_EQ(use(0x8000, true).code, 400);
  EXPECT_EQ(use(0x3FFF, true).code, 400);
}

}  // namespace
}  // namespace ts::turn::testing
