// SPDX-License-Identifier: Apache-2.0
// One WebSocket of the signaling (RFC 6455): between a WsLink and the dialect.
#pragma once

#include <memory>

#include <turnstone/dialect/peerjs.hpp>
#include <turnstone/net/stream.hpp>

#include "server_impl.hpp"

namespace ts::net {

/// Takes a stream over whose upgrade request was read and allowed. On the server's thread. The query is for
/// PeerJS.
void start_websocket(const std::shared_ptr<HttpServer::Impl>& server, Stream stream,
                     const HttpRequest& request, Spoken spoken, const dialect::PeerJsQuery& query);

}  // namespace ts::net
