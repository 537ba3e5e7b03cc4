// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>

#include <turnstone/auth/hook.hpp>
#include <turnstone/base/precis.hpp>

namespace ts::auth {
namespace {

/// The request that waited for the answer still has to find it.
constexpr std::chrono::seconds kLeastLife{1};

}  // namespace

template <class T>
T* HookCache::Table<T>::find(const HookName& name, TimePoint now) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return nullptr;
  if (now < found->second->until) return &found->second->value;
  by_age_.erase(found->second);
  by_name_.erase(found);
  return nullptr;
}

template <class T>
void HookCache::Table<T>::put(const HookName& name, TimePoint until, T value) {
  erase(name);
  if (by_name_.size() >= kMaxEntries) erase(HookName(by_age_.front().name));
  by_age_.push_back(Entry{name, until, std::move(value)});
  by_name_.emplace(name, std::prev(by_age_.end()));
}

template <class T>
void HookCache::Table<T>::erase(const HookName& name) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return;
  by_age_.erase(found->second);
  by_name_.erase(found);
}

HookName HookCache::name(std::string_view realm, std::string_view username) const noexcept {
  std::array<std::uint8_t, 2> length;
  store_be16(length.data(), static_cast<std::uint16_t>(realm.size()));
  return seed_.sign({length, as_bytes(realm), as_bytes(username)});
}

void HookCache::add(const HookName& name, std::string_view realm, std::string_view username,
                    const HookAnswer& answer, Now now) {
  if (answer.kind != HookAnswer::Kind::Found) {
    const bool none = answer.kind == HookAnswer::Kind::NoSuchUser;
    // A known user stays known while nobody answers, until the time is over that was granted.
    if (none) users_.erase(name);
    refused_.put(name, now.mono + std::max(none ? options_.negative_cache : kPause, kLeastLife), answer.kind);
    return;
  }
  refused_.erase(name);
  User user;
  user.answered = now.mono;
  user.expires = answer.expires;
  if (!answer.password.empty()) {
    for (const std::string& form : prepared_forms(answer.password))
      user.keys.emplace_back(username, realm, form);
  } else {
    user.has_md5 = answer.md5_key.has_value();
    user.has_sha256 = answer.sha256_key.has_value();
    user.keys.emplace_back(answer.md5_key.value_or(Md5Digest{}), answer.sha256_key.value_or(Sha256Digest{}));
  }
  if (!answer.policy.empty()) user.policy = answer.policy;
  std::chrono::seconds life = std::min(answer.ttl.value_or(options_.cache), options_.cache);
  if (answer.expires) {
    const bool over = *answer.expires <= now.wall;
    life = std::min(life, over ? options_.negative_cache : *answer.expires - now.wall);
  }
  users_.put(name, now.mono + std::max(life, kLeastLife), std::move(user));
}

std::optional<Result<Principal, Failure>> HookCache::authenticate(const HookName& name,
                                                                  const stun::MessageView& message,
                                                                  const Claim& claim, Now now) {
  const User* user = users_.find(name, now.mono);
  if (user == nullptr) return std::nullopt;
  if (user->expires && *user->expires <= now.wall) return Failure::Expired;
  const bool has_key = claim.algorithm == PasswordAlgorithm::Md5 ? user->has_md5 : user->has_sha256;
  if (!has_key) return Failure::WrongPassword;
  const Mac mac = mac_of(message).value_or(Mac::Sha1);
  for (const LongTermKeys& keys : user->keys) {
    const MessageKey key = keys.key(claim.algorithm, mac);
    if (!key.verify(message)) continue;
    return Principal{mac == claim.answer_mac ? key : keys.key(claim.algorithm, claim.answer_mac),
                     claim.username, claim.username,
                     user->policy ? std::make_unique<const Policy>(*user->policy) : nullptr};
  }
  return Failure::WrongPassword;
}

bool HookCache::may_doubt(const HookName& name, TimePoint now) {
  const User* user = users_.find(name, now);
  return user == nullptr || now - user->answered >= kPause;
}

std::optional<HookAnswer::Kind> HookCache::refused(const HookName& name, TimePoint now) {
  const HookAnswer::Kind* kind = refused_.find(name, now);
  return kind != nullptr ? std::optional(*kind) : std::nullopt;
}

}  // namespace ts::auth
