// SPDX-License-Identifier: Apache-2.0
// When all places are taken, silent streams give way on whichever thread they are.
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

TEST(StreamYield, SilentStreamsOfOneThreadMakeRoomForThoseOfOthers) {
  config::Config config = loopback_config(4);
  config.net.max_streams = 3;
  const Server server(std::move(config));
  for (int round = 0; round < 4; ++round) {
    std::vector<std::unique_ptr<Wire>> silent;
    for (int i = 0; i < 3; ++i) {
      silent.push_back(std::make_unique<Wire>(server.turn(), Wire::Settings{}));
      ASSERT_TRUE(silent.back()->ok());
    }
    std::this_thread::sleep_for(1200ms);
    TurnClient client(Via::Tcp, server.turn());
    ASSERT_TRUE(client.binding()) << "round " << round;
    int closed = 0;
    for (const auto& one : silent) closed += one->ends(kSilence) ? 1 : 0;
    // One goes; two, when two threads see at the same time that no place is left.
    EXPECT_GE(closed, 1);
    EXPECT_LE(closed, 2);
    client.close();
    silent.clear();
    std::this_thread::sleep_for(kSilence);
  }
}

TEST(StreamYield, WhoHasSpokenStaysAndTheNewcomerIsRefused) {
  config::Config config = loopback_config(4);
  config.net.max_streams = 2;
  const Server server(std::move(config));
  TurnClient a(Via::Tcp, server.turn());
  TurnClient b(Via::Tcp, server.turn());
  ASSERT_TRUE(a.binding());
  ASSERT_TRUE(b.binding());
  std::this_thread::sleep_for(1200ms);
  for (int i = 0; i < 6; ++i) {
    Wire late(server.turn(), {});
    EXPECT_TRUE(late.ends(5s));
  }
  EXPECT_TRUE(a.binding());
  EXPECT_TRUE(b.binding());
}

}  // namespace
}  // namespace ts::shell_test
