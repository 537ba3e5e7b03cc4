// SPDX-License-Identifier: Apache-2.0
// ConnectionBind (RFC 6062 §5.4), on a stream of its own that becomes the client data connection.
#include "../peer_connection.hpp"
#include "../request.hpp"

namespace ts::turn {

using stun::ErrorCode;

void Server::handle_connection_bind(Request& r) {
  // Also not on a control connection: its stream goes on to carry messages.
  if (!is_stream(r.in.tuple.transport) || has_allocation(r.in.tuple)) {
    return respond_error(r, ErrorCode::BadRequest);
  }
  PeerConnection* connection = connection_named_in(r.message);
  const Allocation* allocation = connection != nullptr ? allocations_.find(connection->allocation) : nullptr;
  if (allocation == nullptr || r.now.mono >= allocation->expires ||
      connection->state != PeerConnection::State::Pending || r.now.mono >= connection->deadline) {
    return respond_error(r, ErrorCode::BadRequest);
  }
  // The account says which realm it is in.
  if (allocation->username != r.username || allocation->account != r.account) {
    ++counters_.auth_failures[index(AuthFailure::WrongUser)];
    return respond_error(r, ErrorCode::WrongCredentials);
  }
  connection->state = PeerConnection::State::Bound;
  ResponseWriter response(r, stun::MessageClass::SuccessResponse);
  send_answer(r, response, Outcome::Success);
  r.out.bind_data.push_back(BindData{connection->id, r.in.route});
}

}  // namespace ts::turn
