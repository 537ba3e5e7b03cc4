// SPDX-License-Identifier: Apache-2.0
#include "turn_client.hpp"

#include <turnstone/auth/credentials.hpp>
#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/channel_data.hpp>
#include <turnstone/stun/integrity.hpp>

#include "text.hpp"

namespace ts::app::probe {
namespace {

using stun::AttributeType;
using stun::MessageBuilder;
using stun::Method;

constexpr std::size_t kMessageBytes = 2048;
/// RFC 8489 §14.9, §14.10: what a server may make us hold.
constexpr std::size_t kMaxRealmBytes = 763;
constexpr std::size_t kMaxTurns = 3;

std::string remedy_for(Method method, std::uint16_t code) {
  switch (code) {
    case 300: return "the server sends clients elsewhere (it drains or shares load); probe that one";
    case 401:
    case 441: return "check user and password, or that --secret is one of auth.secrets; and both clocks";
    case 403:
      return method == Method::Allocate
                 ? "this user or address may not allocate here; check the server's policy"
                 : "the server's peer policy denies this peer address";
    case 437: return "the server still has an allocation of this address; try again";
    case 438:
      return "the server's nonces expire at once; check its clock and that all its instances share a nonce "
             "secret";
    case 440: return "the server has no relay address of that family";
    case 442: return "the server does not relay over UDP";
    case 443: return "the peer address is of another family than the allocation";
    case 486: return "the user's quota is used up: wait for allocations to end, or raise the quota";
    case 500: return "check the server's log";
    case 508: return "the server is full, drains, or has no relay port left: widen the relay port range";
    default: return "check the server's log";
  }
}

}  // namespace

bool TurnClient::take_challenge(const Response& response) {
  const stun::MessageView message = response.view();
  const auto realm = message.find(AttributeType::Realm);
  const auto nonce = message.find(AttributeType::Nonce);
  if (!nonce || nonce->empty() || nonce->size() > kMaxRealmBytes) return false;
  if (realm && realm->size() <= kMaxRealmBytes) realm_ = as_text(*realm);
  nonce_ = as_text(*nonce);
  key_ = auth::long_term_key(login_.username, realm_, login_.password);
  return !realm_.empty();
}

Refusal TurnClient::refused(Method method, const Response& response) const {
  const std::uint16_t code = response.error_code();
  if (code == 401 && !login_.given())
    return {{"the server asks for credentials (realm \"" + printable(realm_, 80) + "\")",
             "give --user and --password, or --secret with a shared secret of the server", false},
            code};
  std::string what = std::string(stun::name(method)) + " refused: " + response.error_text();
  if (code == 300) {
    if (const auto value = response.view().find(AttributeType::AlternateServer)) {
      if (const auto other = stun::decode_address(*value)) what += ", see " + other->to_string();
    }
  }
  return {{std::move(what), remedy_for(method, code), false}, code};
}

Result<Response, Refusal> TurnClient::request_once(Method method, const AddAttributes& add) {
  net::SystemRandom random;
  const auto id = random.bytes<12>();
  const bool authenticated = challenged() && login_.given();
  std::array<std::uint8_t, kMessageBytes> space{};
  MessageBuilder builder(space, stun::MessageClass::Request, method, id);
  add(builder);
  if (authenticated) {
    builder.add(AttributeType::Username, login_.username).add(AttributeType::Realm, realm_);
    builder.add(AttributeType::Nonce, nonce_).add_integrity(key_);
  }
  const ByteView message = builder.add_fingerprint().finish();
  if (message.empty())
    return Refusal{
        {"user name, realm and nonce are too long for a message", "use a shorter user name", false}, 0};
  auto response = transact(connection_, message, id, timeout_, &others_);
  if (response.has_error()) return Refusal{std::move(response).error(), 0};
  if (authenticated && response->success() && !stun::verify_integrity(response->view(), key_))
    return Refusal{{"the answer's MESSAGE-INTEGRITY is missing or wrong",
                    "something on the way changes messages, or another server answers", false},
                   0};
  return std::move(*response);
}

Result<Response, Refusal> TurnClient::request(Method method, const AddAttributes& add) {
  bool had_stale = false;
  for (std::size_t turn = 0;; ++turn) {
    const bool was_authenticated = challenged() && login_.given();
    auto response = request_once(method, add);
    if (response.has_error() || response->success()) return response;
    const std::uint16_t code = response->error_code();
    const bool first_challenge = code == 401 && !was_authenticated;
    const bool stale = code == 438 && !had_stale;
    had_stale = had_stale || code == 438;
    const bool taken = (first_challenge || stale) && take_challenge(*response);
    if (!taken || !login_.given() || turn + 1 >= kMaxTurns) return refused(method, *response);
  }
}

Result<Note, Refusal> TurnClient::allocate() {
  const auto response = request(Method::Allocate, [](MessageBuilder& builder) {
    builder.add_u32(AttributeType::RequestedTransport, std::uint32_t{stun::kTransportUdp} << 24);
  });
  if (response.has_error()) return response.error();
  const auto relayed = response->xor_address(AttributeType::XorRelayedAddress);
  if (!relayed)
    return Refusal{{"the answer has no XOR-RELAYED-ADDRESS", "check the server's version", false}, 0};
  relayed_ = *relayed;
  mapped_ = response->xor_address(AttributeType::XorMappedAddress);
  const auto value = response->view().find(AttributeType::Lifetime);
  const std::uint32_t lifetime = value ? stun::decode_u32(*value).value_or(0) : 0;
  Note note;
  note.detail = "relayed address " + relayed_.to_string() + ", " + std::to_string(lifetime) + " s" +
                loss_text(response->transmissions);
  note.facts = {{"relayed_address", relayed_.to_string()}, {"lifetime_s", std::int64_t{lifetime}}};
  if (challenged()) {
    note.detail += ", realm " + printable(realm_, 80);
    note.facts.emplace_back("realm", printable(realm_));
  } else {
    note.warning = true;
    note.detail += ", WITHOUT credentials: an open relay";
    note.remedy = "let the server ask for credentials, or anybody can relay through it";
  }
  return note;
}

Result<Note, Refusal> TurnClient::permit(const Endpoint& peer) {
  const auto response = request(Method::CreatePermission, [&peer](MessageBuilder& builder) {
    builder.add_xor_address(AttributeType::XorPeerAddress, peer);
  });
  if (response.has_error()) return response.error();
  return Note{"for " + peer.address.to_string() + loss_text(response->transmissions), {}, false, {}};
}

Result<Note, Refusal> TurnClient::bind(std::uint16_t channel, const Endpoint& peer) {
  const auto response = request(Method::ChannelBind, [&](MessageBuilder& builder) {
    builder.add_channel_number(channel).add_xor_address(AttributeType::XorPeerAddress, peer);
  });
  if (response.has_error()) return response.error();
  return Note{"to " + peer.to_string() + loss_text(response->transmissions), {}, false, {}};
}

Result<Note, Refusal> TurnClient::release() {
  const auto response =
      request(Method::Refresh, [](MessageBuilder& builder) { builder.add_u32(AttributeType::Lifetime, 0); });
  if (response.has_error()) return response.error();
  return Note{};
}

std::optional<Problem> TurnClient::send_by_indication(const Endpoint& peer, ByteView data) {
  net::SystemRandom random;
  std::array<std::uint8_t, kMessageBytes> space{};
  MessageBuilder builder(space, stun::MessageClass::Indication, Method::Send, random.bytes<12>());
  builder.add_xor_address(AttributeType::XorPeerAddress, peer).add(AttributeType::Data, data);
  const ByteView message = builder.finish();
  if (message.empty()) return Problem{"payload too large", "", false};
  return connection_.send(message, net::now().mono + timeout_);
}

std::optional<Problem> TurnClient::send_by_channel(std::uint16_t channel, ByteView data) {
  Buffer message(stun::kChannelDataHeaderBytes);
  stun::write_channel_data_header(message.data(), channel, data.size());
  message.insert(message.end(), data.begin(), data.end());
  if (connection_.is_stream()) message.resize(stun::padded(message.size()));
  return connection_.send(message, net::now().mono + timeout_);
}

Result<std::optional<PeerData>, Problem> TurnClient::receive(TimePoint deadline) {
  for (;;) {
    Buffer bytes;
    if (!others_.empty()) {
      bytes = std::move(others_.front());
      others_.pop_front();
    } else {
      auto received = connection_.receive_message(deadline);
      if (received.has_error()) return std::move(received).error();
      if (!received->has_value()) return std::optional<PeerData>();
      bytes = std::move(**received);
    }
    if (const auto channel = stun::parse_channel_data(bytes))
      return std::optional<PeerData>(PeerData{Buffer(channel->data.begin(), channel->data.end()), true});
    const auto message = stun::MessageView::parse(bytes);
    if (message.has_error() || message->method() != Method::Data) continue;
    if (const auto data = message->find(AttributeType::Data))
      return std::optional<PeerData>(PeerData{Buffer(data->begin(), data->end()), false});
  }
}

}  // namespace ts::app::probe
