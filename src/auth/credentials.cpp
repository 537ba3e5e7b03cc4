// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/stun/integrity.hpp>

namespace ts::auth {
namespace {

/// The expiry and the user of `<expiry>[:<user>][<policy>]`.
struct EphemeralName {
  WallTime expiry;
  std::string_view user;
};

std::optional<EphemeralName> parse_ephemeral(std::string_view username) noexcept {
  const std::string_view bare = split_username(username).name;
  const std::size_t colon = bare.find(':');
  const std::string_view digits = bare.substr(0, colon);
  std::int64_t seconds = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, seconds);
  // A bound that no clock reaches keeps the arithmetic on times clear of overflow.
  constexpr std::int64_t kEndOfTime = 1LL << 40;
  if (digits.empty() || error != std::errc{} || stop != end || seconds < 0 || seconds > kEndOfTime)
    return std::nullopt;
  // Nobody's name is no account: such credentials count one by one.
  const bool named = colon != std::string_view::npos && colon + 1 < bare.size();
  // With its colon, so that it is no static user's account.
  const std::string_view user = named ? bare.substr(colon) : username;
  return EphemeralName{WallTime{std::chrono::seconds{seconds}}, user};
}

/// What the username says that its credential allows; null when it says nothing.
Result<std::unique_ptr<const Policy>, Failure> policy_of(std::string_view username) {
  const auto text = split_username(username).policy;
  if (!text) return std::unique_ptr<const Policy>();
  if (username.size() > kMaxPolicyUsernameBytes) return Failure::BadPolicy;
  auto policy = parse_policy(*text);
  if (!policy) return Failure::BadPolicy;
  return std::make_unique<const Policy>(std::move(*policy));
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
    if (!stun::verify_integrity(message, key)) continue;
    // The policy is read now that it is known to be ours.
    auto policy = policy_of(username);
    if (!policy) return policy.error();
    return Principal{key, name->user, std::move(*policy)};
  }
  return Failure::WrongPassword;
}

std::optional<WallTime> expiry_of(std::string_view username) noexcept {
  const auto name = parse_ephemeral(username);
  return name ? std::optional(name->expiry) : std::nullopt;
}

namespace {

Minted sign(std::string_view secret, std::string username) {
  std::string password = ephemeral_password(HmacSha1Key(as_bytes(secret)), username);
  return Minted{std::move(username), std::move(password)};
}

/// `<expiry>:<user>`. A user's name that holds the marker of a policy would be read as one: its first
/// semicolon is written "%3B".
std::string ephemeral_username(std::string_view user, WallTime expiry) {
  std::string out = std::to_string(expiry.time_since_epoch().count());
  if (user.empty()) return out;
  out.append(":").append(user);
  for (std::size_t at = out.find(kPolicyMarker); at != std::string::npos; at = out.find(kPolicyMarker, at)) {
    out.replace(at, 1, "%3B");
  }
  return out;
}

}  // namespace

Minted mint(std::string_view secret, std::string_view user, WallTime expiry) {
  return sign(secret, ephemeral_username(user, expiry));
}

std::optional<Minted> mint(std::string_view secret, std::string_view user, const Policy& policy,
                           WallTime expiry) {
  const std::string tail = format_policy(policy);
  std::string username = ephemeral_username(user, expiry) + tail;
  if (tail.empty()) return sign(secret, std::move(username));
  if (username.size() > kMaxPolicyUsernameBytes) return std::nullopt;
  // Also when the end of the name and the marker make another one.
  const auto text = split_username(username).policy;
  if (!text || parse_policy(*text) != policy) return std::nullopt;
  return sign(secret, std::move(username));
}

}  // namespace ts::auth
