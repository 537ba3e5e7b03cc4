// SPDX-License-Identifier: Apache-2.0
// The realms beside the default one, each with credentials of its own, and which of them a request meets.
// Immutable once made; shards share one object.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/auth/credentials.hpp>
#include <turnstone/base/address.hpp>

namespace ts::auth {

class Realms {
 public:
  /// Of `options.realms`: the realm at index i has the id i + 1.
  explicit Realms(const Options& options);

  std::size_t size() const noexcept { return realms_.size(); }
  /// The realm's; null for the default realm and for ids that there are not.
  const Credentials* find(RealmId id) const noexcept {
    return id != kDefaultRealm && id <= realms_.size() ? &realms_[id - 1U] : nullptr;
  }

  /// The realm that claims the listener which has this address and port, or the port on any address.
  RealmId of_listener(const Endpoint& server) const noexcept;
  /// The realm that names this ORIGIN, in whatever spelling.
  RealmId of_origin(std::string_view origin) const noexcept;
  /// The realm of this name (REALM, prepared with OpaqueString), unless it is tied to listeners.
  RealmId of_name(std::string_view name) const noexcept;

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct EndpointHash {
    std::size_t operator()(const Endpoint& endpoint) const noexcept { return endpoint.hash(); }
  };
  using ByText = boost::unordered_flat_map<std::string, RealmId, TextHash, std::equal_to<>>;

  std::deque<Credentials> realms_;
  boost::unordered_flat_map<Endpoint, RealmId, EndpointHash> by_listener_;
  boost::unordered_flat_map<std::uint16_t, RealmId> by_port_;
  ByText by_origin_;
  ByText by_name_;
};

/// The account of a user in a realm. The same name in two realms is two accounts; in the default realm it is
/// the name itself. Of others it begins with a byte that no UTF-8 has.
std::string account_in(RealmId realm, std::string_view name);

/// An account in two; a view into it.
struct SplitAccount {
  RealmId realm = kDefaultRealm;
  std::string_view name;
};
SplitAccount split_account(std::string_view account) noexcept;

}  // namespace ts::auth
