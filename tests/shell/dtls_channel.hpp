// SPDX-License-Identifier: Apache-2.0
// A client on DTLS with a channel to a peer.
#pragma once

#include "turn_client.hpp"

namespace ts::shell_test {

struct DtlsChannel {
  explicit DtlsChannel(const Server& server)
      : socket(std::make_shared<UdpSocket>(at("127.0.0.1"))),
        client(Via::Dtls, server.dtls(), socket),
        peer(at("127.0.0.1")) {
    EXPECT_EQ(client.allocate(), 0);
    EXPECT_EQ(client.bind(kChannel, peer.local()), 0);
  }

  /// Below the association.
  std::shared_ptr<UdpSocket> socket;
  TurnClient client;
  UdpSocket peer;
};

}  // namespace ts::shell_test
