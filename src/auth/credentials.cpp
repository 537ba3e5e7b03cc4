// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/stun/integrity.hpp>

namespace ts::auth {
namespace {

/// The expiry and the user of `<expiry>[:<user>]`.
struct EphemeralName {
  WallTime expiry;
  std::string_view user;
};

std::optional<EphemeralName> parse_ephemeral(std::string_view username) noexcept {
  const std::size_t colon = username.find(':');
  const std::string_view digits = username.substr(0, colon);
  std::int64_t seconds = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, seconds);
  // A bound that no clock reaches keeps the arithmetic on times clear of overflow.
  constexpr std::int64_t kEndOfTime = 1LL << 40;
  if (digits.empty() || error != std::errc{} || stop != end || seconds < 0 || seconds > kEndOfTime)
    return std::nullopt;
  // Nobody's name is no account: such credentials count one by one.
  const bool named = colon != std::string_view::npos && colon + 1 < username.size();
  // With its colon, so that it is no static user's account.
  const std::string_view user = named ? username.substr(colon) : username;
  return EphemeralName{WallTime{std::chrono::seconds{seconds}}, user};
}

std::string ephemeral_password(const HmacSha1Key& secret, std::string_view username) {
  return base64(secret.sign({as_bytes(username)}));
}

}  // namespace

HmacSha1Key long_term_key(std::string_view username, std::string_view realm,
                          std::string_view password) noexcept {
  return HmacSha1Key(
      md5({as_bytes(username), as_bytes(":"), as_bytes(realm), as_bytes(":"), as_bytes(password)}));
}

Credentials::Credentials(const Options& options) : realm_(options.realm) {
  for (const StaticUser& user : options.users) {
    users_.insert_or_assign(user.name, long_term_key(user.name, realm_, user.password));
  }
  for (const std::string& secret : options.secrets) secrets_.emplace_back(as_bytes(secret));
}

Result<Principal, Failure> Credentials::authenticate(const stun::MessageView& message,
                                                     std::string_view username, WallTime now) const {
  if (const auto user = users_.find(username); user != users_.end()) {
    if (!stun::verify_integrity(message, user->second)) return Failure::WrongPassword;
    return Principal{user->second, username};
  }
  return authenticate_ephemeral(message, username, now);
}

Result<Principal, Failure> Credentials::authenticate_ephemeral(const stun::MessageView& message,
                                                               std::string_view username,
                                                               WallTime now) const {
  const auto name = parse_ephemeral(username);
  if (secrets_.empty() || !name) return Failure::UnknownUser;
  if (name->expiry <= now) return Failure::Expired;
  for (const HmacSha1Key& secret : secrets_) {
    const HmacSha1Key key = long_term_key(username, realm_, ephemeral_password(secret, username));
    if (stun::verify_integrity(message, key)) return Principal{key, name->user};
  }
  return Failure::WrongPassword;
}

Minted mint(std::string_view secret, std::string_view user, WallTime expiry) {
  Minted out;
  out.username = std::to_string(expiry.time_since_epoch().count());
  if (!user.empty()) out.username.append(":").append(user);
  out.password = ephemeral_password(HmacSha1Key(as_bytes(secret)), out.username);
  return out;
}

}  // namespace ts::auth
