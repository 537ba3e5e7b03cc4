// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/base/precis.hpp>

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

Credentials::Credentials(const Options& options)
    : realm_(opaque_string(options.realm).value_or(options.realm)) {
  for (const StaticUser& user : options.users) add(user);
  for (const std::string& secret : options.secrets)
    secrets_.push_back({HmacSha1Key(as_bytes(secret)), HmacSha256Key(as_bytes(secret))});
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
  if (user == nullptr) return authenticate_ephemeral(message, claim, now);
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
  const auto attempt = [&](const std::string& password) { return check(message, realm_, password, claim); };
  for (const Secret& secret : secrets_) {
    if (const auto key = attempt(ephemeral_password(secret.sha1, claim.username)))
      return Principal{*key, claim.username, name->user};
  }
  for (const Secret& secret : secrets_) {
    if (const auto key = attempt(ephemeral_password(secret.sha256, claim.username)))
      return Principal{*key, claim.username, name->user};
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
