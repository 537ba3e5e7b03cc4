// SPDX-License-Identifier: Apache-2.0
// 300 (Try Alternate) for Allocate (RFC 8656 §7.2, check 11; RFC 8489 §10).
#include "request.hpp"

namespace ts::turn {

bool Server::send_elsewhere(Request& r, const std::vector<Endpoint>& servers) {
  const Endpoint* same = nullptr;
  const Endpoint* other = nullptr;
  const IpFamily family = r.in.tuple.client.address.family();
  for (const Endpoint& server : servers) (server.address.family() == family ? same : other) = &server;
  // Nowhere to go in the client's family, or to where it is already: we relay ourselves.
  if (same == nullptr || *same == r.in.tuple.server) return false;
  ResponseWriter response(r, stun::MessageClass::ErrorResponse);
  response.builder.add_error(stun::ErrorCode::TryAlternate)
      .add_address(stun::AttributeType::AlternateServer, *same);
  if (other != nullptr) response.builder.add_address(stun::AttributeType::AlternateServer, *other);
  // RFC 8489 §14.16: what the other server's certificate is verified with, "when the transport protocol uses
  // TLS or DTLS".
  const Transport transport = r.in.tuple.transport;
  if (transport == Transport::Tls || transport == Transport::Dtls) {
    const std::string& domain = options_.alternate_domain;
    if (!domain.empty()) response.builder.add(stun::AttributeType::AlternateDomain, domain);
  }
  send_answer(r, response, Outcome::E300);
  return true;
}

void Server::refuse_draining(Request& r, bool reserved) {
  // A reserved port is here and nowhere else.
  if (!reserved &&
      (send_elsewhere(r, options_.drain_servers) || send_elsewhere(r, options_.alternate_servers)))
    return;
  deny(r, stun::ErrorCode::InsufficientCapacity, Denial::Draining);
}

}  // namespace ts::turn
