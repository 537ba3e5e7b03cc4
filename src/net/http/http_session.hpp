// SPDX-License-Identifier: Apache-2.0
// One HTTP/1.1 connection: requests one after another until it closes or becomes a WebSocket.
#pragma once

#include <memory>

#include <turnstone/net/stream.hpp>

#include "server_impl.hpp"

namespace ts::net {

/// Serves the stream until it ends. On the server's thread.
void start_http(const std::shared_ptr<HttpServer::Impl>& server, Stream stream);

}  // namespace ts::net
