// SPDX-License-Identifier: Apache-2.0
#include "stun_client.hpp"

#include <algorithm>

#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/integrity.hpp>

#include "text.hpp"

namespace ts::app::probe {
namespace {

using stun::AttributeType;

/// RFC 8489 §6.2.1: RTO and Rc.
constexpr auto kFirstInterval = std::chrono::milliseconds(500);
constexpr unsigned kMaxTransmissions = 7;
constexpr std::size_t kMaxOthers = 64;

bool answers(const Buffer& bytes, const stun::TransactionId& id, std::uint16_t method) {
  const auto message = stun::MessageView::parse(bytes);
  if (message.has_error() || !message->has_magic_cookie() || message->transaction_id() != id) return false;
  const auto kind = message->message_class();
  const bool response =
      kind == stun::MessageClass::SuccessResponse || kind == stun::MessageClass::ErrorResponse;
  return response && static_cast<std::uint16_t>(message->method()) == method &&
         stun::fingerprint_absent_or_right(*message);
}

Problem no_answer(const Connection& connection, unsigned transmissions) {
  if (connection.is_stream())
    return {"connected, but no answer",
            "check that this port speaks STUN and TURN over " + std::string(name(connection.carrier())),
            false};
  return {"no answer to " + std::to_string(transmissions) + (transmissions == 1 ? " request" : " requests"),
          "check host and port, and open the UDP port in firewalls and security groups on the way", false};
}

}  // namespace

std::uint16_t Response::error_code() const {
  const auto value = view().find(AttributeType::ErrorCode);
  const auto error = value ? stun::decode_error_code(*value) : std::nullopt;
  return error ? error->code : std::uint16_t{0};
}

std::string Response::error_text() const {
  const auto value = view().find(AttributeType::ErrorCode);
  const auto error = value ? stun::decode_error_code(*value) : std::nullopt;
  if (!error) return "an error without a code";
  const std::string reason = printable(error->reason, 128);
  return std::to_string(error->code) + (reason.empty() ? "" : " " + reason);
}

std::string Response::software() const {
  const auto value = view().find(AttributeType::Software);
  return value ? printable(as_text(*value), 128) : std::string();
}

std::optional<Endpoint> Response::xor_address(AttributeType type) const {
  const stun::MessageView message = view();
  const auto value = message.find(type);
  return value ? stun::decode_xor_address(*value, message.transaction_id()) : std::nullopt;
}

Result<Response, Problem> transact(Connection& connection, ByteView request, const stun::TransactionId& id,
                                   Duration timeout, Others* others) {
  const std::uint16_t method = static_cast<std::uint16_t>(stun::MessageView::parse(request)->method());
  const TimePoint deadline = net::now().mono + timeout;
  Duration interval = kFirstInterval;
  TimePoint next_send = net::now().mono;
  unsigned transmissions = 0;
  for (;;) {
    const TimePoint now = net::now().mono;
    if (now >= deadline) return no_answer(connection, transmissions);
    if (now >= next_send) {
      if (auto problem = connection.send(request, deadline)) return std::move(*problem);
      ++transmissions;
      const bool again = !connection.is_stream() && transmissions < kMaxTransmissions;
      next_send = again ? now + interval : deadline;
      interval *= 2;
    }
    auto received = connection.receive_message(std::min(next_send, deadline));
    if (received.has_error()) return std::move(received).error();
    if (!received->has_value()) continue;
    Buffer bytes = std::move(**received);
    if (answers(bytes, id, method)) return Response{std::move(bytes), transmissions};
    if (others != nullptr && others->size() < kMaxOthers) others->push_back(std::move(bytes));
  }
}

Result<Mapped, Problem> ask_mapped_address(Connection& connection, Duration timeout) {
  net::SystemRandom random;
  const auto id = random.bytes<12>();
  std::array<std::uint8_t, 64> space{};
  stun::MessageBuilder builder(space, stun::MessageClass::Request, stun::Method::Binding, id);
  const auto response = transact(connection, builder.add_fingerprint().finish(), id, timeout, nullptr);
  if (response.has_error()) return response.error();
  if (!response->success())
    return Problem{"the server answers " + response->error_text(), "check the server's configuration and log",
                   false};
  const auto mapped = response->xor_address(AttributeType::XorMappedAddress);
  if (!mapped)
    return Problem{"the answer has no XOR-MAPPED-ADDRESS", "the server does not speak RFC 5389 or later",
                   false};
  return Mapped{*mapped, response->transmissions, response->software()};
}

Result<Note, Problem> check_binding(Connection& connection, Duration timeout) {
  const auto mapped = ask_mapped_address(connection, timeout);
  if (mapped.has_error()) return mapped.error();
  Note note;
  note.detail = "you are " + mapped->address.to_string() + loss_text(mapped->transmissions);
  note.facts = {{"mapped_address", mapped->address.to_string()},
                {"transmissions", static_cast<std::int64_t>(mapped->transmissions)}};
  if (!mapped->software.empty()) {
    note.detail += ", server is " + mapped->software;
    note.facts.emplace_back("software", mapped->software);
  }
  return note;
}

std::string loss_text(unsigned transmissions) {
  return transmissions < 2 ? "" : " (after " + std::to_string(transmissions) + " transmissions)";
}

}  // namespace ts::app::probe
