// SPDX-License-Identifier: Apache-2.0
// What moderators have decided and a node may not have heard, as it was out of reach: kept for a time, so
// that what it tells when it is back undoes none of it. Pure; bounded.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <turnstone/base/time.hpp>
#include <turnstone/signal/remote.hpp>

namespace ts::signal {

/// A node that is away for longer hears no more of it.
inline constexpr std::chrono::hours kVerdictTime{1};
/// Of kicks, and of bans; beyond them the oldest go.
inline constexpr std::size_t kMaxVerdicts = 4096;

/// Memberships that ended by a kick.
class Kicks {
 public:
  /// A member of a node by its number there, and a room.
  struct Key {
    std::string node;
    std::uint64_t number = 0;
    std::string room;
    auto operator<=>(const Key&) const = default;
  };
  struct Kick {
    std::uint64_t order = 0;
    std::string reason{};
    TimePoint until{};
  };

  void add(TimePoint now, Key key, std::uint64_t order, std::string_view reason);
  /// Null: the membership of this order was not ended by a kick, or too long ago. Until the next call.
  const Kick* find(TimePoint now, std::string_view node, std::uint64_t number, std::string_view room,
                   std::uint64_t order) const;
  std::size_t size() const noexcept { return all_.size(); }

 private:
  std::map<Key, Kick> all_;
  std::deque<Key> ages_;
};

/// The last word on who is banned from a room.
class Bans {
 public:
  /// False: a later word is known, by which the ban has ended.
  bool take(TimePoint now, const RemoteBan& ban);
  /// What is to be told to a node that has been away. Views into this object.
  std::vector<RemoteBan> words(TimePoint now) const;
  std::size_t size() const noexcept { return all_.size(); }

 private:
  using Key = std::pair<std::string, std::string>;  // room, peer
  struct Word {
    std::string credential;
    std::string reason;
    std::uint64_t stamp = 0;
    bool ends = false;
    TimePoint until{};
    TimePoint forget{};
  };
  std::map<Key, Word> all_;
  std::deque<Key> ages_;
};

}  // namespace ts::signal
