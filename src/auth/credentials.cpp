// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/auth/jwt.hpp>
#include <turnstone/auth/realms.hpp>
#include <turnstone/base/precis.hpp>

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

template <class Key>
std::string ephemeral_password(const Key& secret, std::string_view username) {
  return base64(secret.sign({as_bytes(username)}));
}

/// The key for the answer, if the message was signed with this user's key.
std::optional<MessageKey> check(const stun::MessageView& message, const LongTermKeys& keys,
                                const Claim& claim) {
  const Mac mac = mac_of(message).value_or(Mac::Sha1);
  const MessageKey key = keys.key(claim.algorithm, mac);
  if (!key.verify(message)) return std::nullopt;
  return mac == claim.answer_mac ? key : keys.key(claim.algorithm, claim.answer_mac);
}

std::optional<MessageKey> check(const stun::MessageView& message, std::string_view realm,
                                std::string_view password, const Claim& claim) {
  const auto key_for = [&](Mac mac) {
    return message_key(claim.username, realm, password, claim.algorithm, mac);
  };
  const Mac mac = mac_of(message).value_or(Mac::Sha1);
  const MessageKey key = key_for(mac);
  if (!key.verify(message)) return std::nullopt;
  return mac == claim.answer_mac ? key : key_for(claim.answer_mac);
}

}  // namespace

std::string_view without_quotes(std::string_view text) noexcept {
  while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  return text;
}

Credentials::Credentials(const Options& options) : Credentials(options, options.hook.is_enabled()) {}

Credentials::Credentials(const Options& options, bool asks_hook)
    : realm_(opaque_string(options.realm).value_or(options.realm)),
      jwt_audience_(options.jwt_audience),
      asks_hook_(asks_hook) {
  for (const StaticUser& user : options.users) add(user);
  for (const std::string& secret : options.secrets)
    secrets_.push_back({HmacSha1Key(as_bytes(secret)), HmacSha256Key(as_bytes(secret))});
  for (const std::string& secret : options.jwt_secrets) jwt_secrets_.emplace_back(as_bytes(secret));
  if (!options.realms.empty()) further_ = std::make_shared<const Realms>(options);
}

void Credentials::add(const StaticUser& user) {
  // RFC 5389 prepared with SASLprep, RFC 8489 does with OpaqueString, browsers not at all: what a client
  // hashes is one of the three, and the same one for ASCII.
  const auto names = prepared_forms(without_quotes(user.name));
  const auto passwords = prepared_forms(user.password);
  for (const std::string& name : names) {
    User entry{names.front(), {}};
    for (const std::string& password : passwords) entry.keys.emplace_back(name, realm_, password);
    names_by_userhash_.insert_or_assign(userhash(name, realm_), name);
    users_.insert_or_assign(name, std::move(entry));
  }
}

const Credentials::User* Credentials::find(const Claim& claim) const noexcept {
  std::string_view name = claim.username;
  if (!claim.userhash.empty()) {
    Sha256Digest digest{};
    if (claim.userhash.size() != digest.size()) return nullptr;
    std::copy(claim.userhash.begin(), claim.userhash.end(), digest.begin());
    const auto known = names_by_userhash_.find(digest);
    if (known == names_by_userhash_.end() || (!name.empty() && name != known->second)) return nullptr;
    name = known->second;
  }
  const auto user = users_.find(name);
  return user != users_.end() ? &user->second : nullptr;
}

Result<Principal, Failure> Credentials::authenticate(const stun::MessageView& message, const Claim& claim,
                                                     WallTime now) const {
  const User* user = find(claim);
  if (user == nullptr) {
    // No ephemeral username has the shape of a token: it is digits alone, or has a colon or a semicolon.
    const bool token = !jwt_secrets_.empty() && is_jwt_shaped(claim.username);
    return token ? authenticate_jwt(message, claim, now) : authenticate_ephemeral(message, claim, now);
  }
  for (const LongTermKeys& keys : user->keys) {
    if (const auto key = check(message, keys, claim)) return Principal{*key, user->name, user->name};
  }
  return Failure::WrongPassword;
}

Result<Principal, Failure> Credentials::authenticate_ephemeral(const stun::MessageView& message,
                                                               const Claim& claim, WallTime now) const {
  const auto name = parse_ephemeral(claim.username);
  if (secrets_.empty() || !name) return Failure::UnknownUser;
  if (!claim.userhash.empty() && !equal_constant_time(claim.userhash, userhash(claim.username, realm_))) {
    return Failure::UnknownUser;
  }
  // RFC 8489 §14.3. Whoever shows the name to people relies on it.
  if (!is_plain_ascii(claim.username) && !is_utf8(claim.username)) return Failure::UnknownUser;
  if (name->expiry <= now) return Failure::Expired;
  const auto attempt = [&](const auto& secret) {
    return check(message, realm_, ephemeral_password(secret, claim.username), claim);
  };
  std::optional<MessageKey> key;
  for (const Secret& secret : secrets_) {
    if (!key) key = attempt(secret.sha1);
  }
  for (const Secret& secret : secrets_) {
    if (!key) key = attempt(secret.sha256);
  }
  if (!key) return Failure::WrongPassword;
  // The policy is read now that it is known to be ours.
  auto policy = policy_of(claim.username);
  if (!policy) return policy.error();
  return Principal{*key, claim.username, name->user, std::move(*policy)};
}

Result<Principal, Failure> Credentials::authenticate_jwt(const stun::MessageView& message, const Claim& claim,
                                                         WallTime now) const {
  if (!claim.userhash.empty() && !equal_constant_time(claim.userhash, userhash(claim.username, realm_))) {
    return Failure::UnknownUser;
  }
  std::optional<MessageKey> key;
  for (const HmacSha256Key& secret : jwt_secrets_) {
    if (!key) key = check(message, realm_, jwt_password(secret, claim.username), claim);
  }
  if (!key) return Failure::WrongPassword;
  // Its JSON is read now that it is known to be ours.
  auto policy = read_jwt(claim.username, jwt_audience_, now);
  if (!policy) return policy.error();
  const std::string_view account = (*policy)->account.empty() ? claim.username : (*policy)->account;
  return Principal{*key, claim.username, account, std::move(*policy)};
}

std::optional<WallTime> expiry_of(std::string_view username) {
  const auto name = parse_ephemeral(username);
  return name ? std::optional(name->expiry) : jwt_expiry(username);
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
