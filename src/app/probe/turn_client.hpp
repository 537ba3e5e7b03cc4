// SPDX-License-Identifier: Apache-2.0
// One TURN allocation as a client sees it (RFC 8656): requests with the long-term mechanism, data both ways.
#pragma once

#include <functional>
#include <string>

#include <turnstone/base/hash.hpp>
#include <turnstone/stun/builder.hpp>

#include "stun_client.hpp"

namespace ts::app::probe {

struct Login {
  std::string username;
  std::string password;
  bool given() const noexcept { return !username.empty() || !password.empty(); }
};

/// Application data from a peer, and how it came.
struct PeerData {
  Buffer bytes;
  bool by_channel = false;
};

/// A refusal by the server, with its code; 0: it is no error response.
struct Refusal {
  Problem problem;
  std::uint16_t code = 0;
};

class TurnClient {
 public:
  TurnClient(Connection connection, const Login& login, Duration timeout)
      : connection_(std::move(connection)), login_(login), timeout_(timeout) {}

  /// Allocate for UDP; then relayed() and challenged() say more.
  Result<Note, Refusal> allocate();
  /// CreatePermission for the peer's address.
  Result<Note, Refusal> permit(const Endpoint& peer);
  /// ChannelBind.
  Result<Note, Refusal> bind(std::uint16_t channel, const Endpoint& peer);
  /// Refresh with lifetime 0.
  Result<Note, Refusal> release();

  std::optional<Problem> send_by_indication(const Endpoint& peer, ByteView data);
  std::optional<Problem> send_by_channel(std::uint16_t channel, ByteView data);
  /// The next data of a peer; nothing: the deadline passed.
  Result<std::optional<PeerData>, Problem> receive(TimePoint deadline);

  const Endpoint& relayed() const noexcept { return relayed_; }
  const std::optional<Endpoint>& mapped() const noexcept { return mapped_; }
  /// True when the server has asked for credentials.
  bool challenged() const noexcept { return !nonce_.empty(); }

 private:
  using AddAttributes = std::function<void(stun::MessageBuilder&)>;
  /// A request, authenticated once the server has challenged; 401 and 438 are answered once.
  Result<Response, Refusal> request(stun::Method method, const AddAttributes& add);
  Result<Response, Refusal> request_once(stun::Method method, const AddAttributes& add);
  /// Takes realm and nonce of a 401 or 438; false when they are missing.
  bool take_challenge(const Response& response);
  Refusal refused(stun::Method method, const Response& response) const;

  Connection connection_;
  Login login_;
  Duration timeout_;
  std::string realm_;
  std::string nonce_;
  HmacSha1Key key_;
  Endpoint relayed_;
  std::optional<Endpoint> mapped_;
  Others others_;
};

}  // namespace ts::app::probe
