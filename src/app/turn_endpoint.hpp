// SPDX-License-Identifier: Apache-2.0
// Who gets what from GET /turn: the rights and the bindings of signaling hold there too. HTTP thread.
#pragma once

#include <string>
#include <vector>

#include <turnstone/base/result.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/net/http_server.hpp>
#include <turnstone/signal/ice.hpp>
#include <turnstone/signal/options.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::app {

class TurnEndpoint {
 public:
  /// `bound`: what members get ends with their session (signaling.bind_turn). All of it outlives this object.
  TurnEndpoint(const signal::Options& options, signal::Router& router, bool bound)
      : options_(options), router_(router), bound_(bound) {}

  /// A credential of the session that is named, with whose end it ends; or one of `mint`, of nobody's
  /// session, for those who have the shared token, and where nothing is bound for everybody who may have ICE
  /// servers. 401, 403, 404.
  Result<net::TurnCredential, net::TurnRefusal> answer(const Now& now, const net::TurnQuestion& question,
                                                       const signal::MintIceCredential& mint) const;

 private:
  Result<net::TurnCredential, net::TurnRefusal> of_session(const Now& now, const signal::Identity& identity,
                                                           const net::TurnQuestion& question) const;

  const signal::Options& options_;
  signal::Router& router_;
  bool bound_;
};

}  // namespace ts::app
