// SPDX-License-Identifier: Apache-2.0
#include "engine_socket.hpp"

#include <algorithm>
#include <utility>

namespace ts::net {

using dialect::EngineEnd;

namespace {

/// Room in the cork beyond what may wait, for control frames and the closing.
constexpr std::size_t kSlackBytes = 65'536;

}  // namespace

EngineSocket::EngineSocket(std::shared_ptr<HttpServer::Impl> server, EngineEndpoint& endpoint, Stream stream)
    : WsLink(std::move(server), std::move(stream), endpoint.max_queue_bytes() + kSlackBytes,
             std::min<std::size_t>(endpoint.max_payload_bytes(), dialect::kMaxStrangerBytes)),
      endpoint_(endpoint) {
  host().add(*this, is_tls());
  --host().counters.streams_accepted[is_tls() ? 1 : 0];  // the HTTP connection was counted
  ++host().counters.websockets_open;
}

EngineSocket::~EngineSocket() {
  --host().counters.websockets_open;
  host().remove(*this, is_tls());
}

void EngineSocket::start(const HttpRequest& request, std::string early) {
  // Nothing depends on it here; the first is what clients are given elsewhere.
  const std::string_view offered = request.header("Sec-WebSocket-Protocol");
  accept(request, offered.substr(0, offered.find(',')));
  const auto self = std::static_pointer_cast<EngineSocket>(shared_from_this());
  id_ = endpoint_.socket_opened(self, request);
  if (is_closing()) return;
  reader().allow(endpoint_.max_message_bytes(id_));
  listen(std::move(early));
}

void EngineSocket::message(bool binary, std::string_view data) {
  endpoint_.socket_message(id_, binary, data);
  if (!is_closing() && reader().max_bytes() < endpoint_.max_payload_bytes())
    reader().allow(endpoint_.max_message_bytes(id_));
}

void EngineSocket::ended(WsEnd why, std::uint16_t) {
  // Whom the machine has closed it knows no more.
  if (why == WsEnd::Ours) return;
  endpoint_.socket_closed(id_, why == WsEnd::Bad ? EngineEnd::ParseError : EngineEnd::TransportClose);
}

bool EngineSocket::send(bool binary, std::string_view bytes) {
  if (is_closing()) return true;
  const bool taken = cork().append_frame(binary ? WsOpcode::Binary : WsOpcode::Text, bytes);
  return (taken && cork().waiting_bytes() <= endpoint_.max_queue_bytes()) ||
         !cork().stream().socket().is_open();
}

}  // namespace ts::net
