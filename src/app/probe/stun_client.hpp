// SPDX-License-Identifier: Apache-2.0
// STUN transactions over a Connection (RFC 8489 §6.2): retransmission over UDP, one request over streams.
#pragma once

#include <deque>
#include <string>

#include <turnstone/stun/message.hpp>

#include "connection.hpp"

namespace ts::app::probe {

/// A response with its bytes.
struct Response {
  Buffer bytes;
  /// Requests that were sent until it came.
  unsigned transmissions = 1;

  stun::MessageView view() const { return *stun::MessageView::parse(bytes); }
  bool success() const { return view().message_class() == stun::MessageClass::SuccessResponse; }
  /// ERROR-CODE's number; 0 when there is none.
  std::uint16_t error_code() const;
  /// "401 Unauthenticated", printable.
  std::string error_text() const;
  /// SOFTWARE, printable; empty when absent.
  std::string software() const;
  std::optional<Endpoint> xor_address(stun::AttributeType type) const;
};

/// What came while a response was waited for.
using Others = std::deque<Buffer>;

/// Sends the request and waits for its response; other messages go to `others` (at most 64).
Result<Response, Problem> transact(Connection& connection, ByteView request, const stun::TransactionId& id,
                                   Duration timeout, Others* others);

/// Whom the server sees us as, and what it took to learn that.
struct Mapped {
  Endpoint address;
  unsigned transmissions = 1;
  /// SOFTWARE, printable; empty when absent.
  std::string software;
};

/// A Binding (RFC 8489 §3).
Result<Mapped, Problem> ask_mapped_address(Connection& connection, Duration timeout);

/// The same as a step of a report.
Result<Note, Problem> check_binding(Connection& connection, Duration timeout);

/// " (after 3 transmissions)", or nothing when the first one was answered.
std::string loss_text(unsigned transmissions);

}  // namespace ts::app::probe
