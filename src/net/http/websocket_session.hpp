// SPDX-License-Identifier: Apache-2.0
// One WebSocket of the signaling (RFC 6455): between Beast and the dialect.
#pragma once

#include <memory>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <turnstone/net/stream.hpp>

#include "server_impl.hpp"

namespace ts::net {

using UpgradeRequest = boost::beast::http::request<boost::beast::http::string_body>;

/// Takes a stream over whose upgrade request was read and allowed. On the server's thread. The query is for
/// PeerJS.
void start_websocket(const std::shared_ptr<HttpServer::Impl>& server, Stream stream, UpgradeRequest request,
                     Spoken spoken, dialect::PeerJsQuery query);

}  // namespace ts::net
