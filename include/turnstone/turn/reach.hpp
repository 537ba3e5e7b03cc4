// SPDX-License-Identifier: Apache-2.0
// Whom closed relays may reach: the addresses that members of rooms have announced, and whose credential a
// credential is. Told by signaling, as values, in the order of what happened. Addresses only: permissions
// know no ports (RFC 8656 §9).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/base/address.hpp>

namespace ts::turn {

/// Something has changed about rooms that have closed relays.
struct ReachChange {
  enum class Kind : std::uint8_t {
    Enter,     ///< `peer` is in `room` from now on
    Announce,  ///< it may be reached at `addresses`, too, by who is in the room with it
    Leave,     ///< it is there no more, and what it has announced there means nothing
    Grant,     ///< `member` of policies is this peer in this room, or (without one) in all its rooms
    Forget,    ///< no credential names `member` any longer
  };
  Kind kind = Kind::Enter;
  std::string room{};
  std::string peer{};
  std::string member{};
  std::vector<IpAddress> addresses{};
};

class ReachTable {
 public:
  /// Members of policies who may reach less than before.
  std::vector<std::string> apply(const ReachChange& change);

  /// True when a room-mate of the member has announced the address, which must be reduced to what it really
  /// leads to. A member that nobody has told of reaches nothing.
  bool reaches(std::string_view member, const IpAddress& address) const;

  /// Nothing is kept any more.
  bool empty() const noexcept { return rooms_.empty() && people_.empty() && grants_.empty(); }

 private:
  // Ordered, all of them: names and addresses come from clients, and no choice of theirs makes this slow.
  using Names = std::set<std::string, std::less<>>;
  struct Room {
    Names peers;
    /// Those of them that have members of policies.
    Names holders;
    /// Who has announced it.
    std::map<IpAddress, Names> addresses;
  };
  struct Person {
    /// What it has announced in each of its rooms.
    std::map<std::string, std::vector<IpAddress>, std::less<>> rooms;
    Names members;
  };
  struct Grant {
    std::string room;
    std::string peer;
  };

  void enter(const ReachChange& change);
  void announce(const ReachChange& change);
  void grant(const ReachChange& change);
  std::vector<std::string> leave(const ReachChange& change);
  void forget(std::string_view member);
  void tidy(std::string_view peer);
  /// Somebody else than the peer has announced it in the room.
  bool announced(std::string_view room, std::string_view peer, const IpAddress& address) const;

  std::map<std::string, Room, std::less<>> rooms_;
  std::map<std::string, Person, std::less<>> people_;
  std::map<std::string, Grant, std::less<>> grants_;
};

}  // namespace ts::turn
