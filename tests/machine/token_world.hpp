// SPDX-License-Identifier: Apache-2.0
// A World with a Server that takes access tokens (RFC 7635) in the place of its own.
#pragma once

#include <gtest/gtest.h>

#include <turnstone/auth/access_token.hpp>

#include "harness.hpp"

namespace ts::turn::testing {

struct TokenWorld : ::testing::Test {
  explicit TokenWorld(std::string realm = "example.org", Options options = default_options(),
                      std::vector<auth::RealmOptions> realms = {})
      : world(std::move(options)) {
    auth_options.realm = std::move(realm);
    auth_options.realms = std::move(realms);
    auth_options.oauth_keys = {"north:" + base64(Bytes(32, 0x42)), "south:" + base64(Bytes(32, 0x43))};
    credentials = std::make_unique<auth::Credentials>(auth_options);
    tokens = std::make_unique<auth::AccessTokens>(auth_options);
    server = std::make_unique<Server>(Surroundings{world.options, *credentials, world.nonces, world.ledger,
                                                   world.random, 0, 1, nullptr, tokens.get()});
  }
  Answer send(const FiveTuple& tuple, const Bytes& bytes) {
    server->from_client(world.now, Inbound{tuple, 7, bytes}, out);
    for (const OpenRelay& open : std::exchange(out.open_relays, {}))
      server->relay_opened(world.now, open.relay, out);
    Answer answer;
    if (!out.to_clients.empty()) {
      const ByteView wire = out.to_clients.back().bytes;
      answer.bytes.assign(wire.begin(), wire.end());
    }
    out.clear();
    return answer;
  }

  World world;
  auth::Options auth_options = default_auth();
  std::unique_ptr<auth::Credentials> credentials;
  std::unique_ptr<auth::AccessTokens> tokens;
  std::unique_ptr<Server> server;
  Outbox out;
};

}  // namespace ts::turn::testing
