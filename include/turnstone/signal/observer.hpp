// SPDX-License-Identifier: Apache-2.0
// Is told what members at this node do in rooms, for those outside who want to know. A leaf.
#pragma once

#include <cstdint>
#include <string_view>

#include <turnstone/signal/ice.hpp>

namespace ts::signal {

/// Views live as long as the call.
struct MemberEvent {
  std::string_view room;
  std::string_view peer;
  /// Identity::subject; may be empty.
  std::string_view subject;
  std::uint8_t dialect = 0;
};

/// Each is told once over all nodes: by the node where it happened. Calls must not call the Router.
class Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;

  virtual void member_joined(const MemberEvent& member) = 0;
  virtual void member_left(const MemberEvent& member, LeaveReason why) = 0;
  virtual void room_opened(std::string_view room) = 0;
  virtual void room_emptied(std::string_view room) = 0;
};

}  // namespace ts::signal
