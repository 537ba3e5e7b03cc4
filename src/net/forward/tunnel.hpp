// SPDX-License-Identifier: Apache-2.0
// A WebSocket of another node's session: bytes between its client's stream here and that node. On the
// server's thread.
#pragma once

#include <memory>
#include <string>

#include <turnstone/net/stream.hpp>

#include "forwarder_impl.hpp"

namespace ts::net {

/// Passes bytes on, both ways, until one end is there; `first` goes to the client before all else. What one
/// side does not take is not read from the other. Ends with the server.
void start_tunnel(const std::shared_ptr<HttpServer::Impl>& server, Stream client, ForwardCallPtr call,
                  std::string first);

}  // namespace ts::net
