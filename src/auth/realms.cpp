// SPDX-License-Identifier: Apache-2.0
#include <turnstone/auth/realms.hpp>
#include <turnstone/base/origin.hpp>

namespace ts::auth {
namespace {

constexpr char kRealmMark = '\xff';
constexpr std::size_t kRealmPrefixBytes = 3;

template <class Map, class Key>
RealmId found_in(const Map& map, const Key& key) noexcept {
  const auto found = map.find(key);
  return found != map.end() ? found->second : kDefaultRealm;
}

Options options_of(const RealmOptions& realm) {
  Options out;
  out.realm = realm.name;
  out.users = realm.users;
  out.secrets = realm.secrets;
  out.jwt_secrets = realm.jwt_secrets;
  out.jwt_audience = realm.jwt_audience;
  return out;
}

}  // namespace

Realms::Realms(const Options& options) {
  for (const RealmOptions& realm : options.realms) {
    // The external source knows users of every realm.
    const Credentials& credentials = realms_.emplace_back(options_of(realm), options.hook.is_enabled());
    const auto id = static_cast<RealmId>(realms_.size());
    if (realm.listeners.empty()) by_name_.try_emplace(credentials.realm(), id);
    for (const RealmListener& listener : realm.listeners) {
      if (listener.address) {
        by_listener_.try_emplace(Endpoint{*listener.address, listener.port}, id);
      } else {
        by_port_.try_emplace(listener.port, id);
      }
    }
    for (const std::string& text : realm.origins) {
      if (const auto origin = Origin::parse(text)) by_origin_.try_emplace(std::string(origin->text()), id);
    }
  }
}

RealmId Realms::of_listener(const Endpoint& server) const noexcept {
  const RealmId exact = by_listener_.empty() ? kDefaultRealm : found_in(by_listener_, server);
  return exact != kDefaultRealm || by_port_.empty() ? exact : found_in(by_port_, server.port);
}

RealmId Realms::of_origin(std::string_view text) const noexcept {
  if (by_origin_.empty()) return kDefaultRealm;
  const auto origin = Origin::parse(text);
  return origin ? found_in(by_origin_, origin->text()) : kDefaultRealm;
}

RealmId Realms::of_name(std::string_view name) const noexcept { return found_in(by_name_, name); }

std::string account_in(RealmId realm, std::string_view name) {
  if (realm == kDefaultRealm) return std::string(name);
  std::string out;
  out.reserve(kRealmPrefixBytes + name.size());
  out.push_back(kRealmMark);
  out.push_back(static_cast<char>(realm >> 8));
  out.push_back(static_cast<char>(realm & 0xFF));
  return out.append(name);
}

SplitAccount split_account(std::string_view account) noexcept {
  if (account.size() < kRealmPrefixBytes || account.front() != kRealmMark) return {kDefaultRealm, account};
  const auto bytes = as_bytes(account);
  return {load_be16(bytes.data() + 1), account.substr(kRealmPrefixBytes)};
}

}  // namespace ts::auth
