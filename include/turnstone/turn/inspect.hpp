// SPDX-License-Identifier: Apache-2.0
// What operators see of allocations. Values without views: they go to other threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/turn/client.hpp>
#include <turnstone/turn/counters.hpp>

namespace ts::turn {

/// Which allocations are meant; what is empty does not matter.
struct AllocationFilter {
  /// The username, or the user inside of an ephemeral one.
  std::string user;
  std::optional<std::string> realm;
  /// Of the credential's policy.
  std::string room;
  std::string member;
  /// Where the client is.
  std::optional<IpNetwork> client;
  std::optional<Transport> transport;
};

struct AllocationView {
  SlotHandle handle;
  std::string username;
  std::string realm;
  std::string room;
  std::string member;
  FiveTuple tuple;
  /// One, or one a family.
  std::vector<Endpoint> relayed;
  RelayProtocol protocol = RelayProtocol::Udp;
  /// How long it has been there, and how long it lasts if nobody refreshes it.
  Duration age{};
  Duration left{};
  std::size_t permissions = 0;
  std::size_t channels = 0;
  /// RFC 6062: peer data connections.
  std::size_t connections = 0;
  bool mobile = false;
  /// Without what a FlowSink has relayed and not told yet.
  Traffic to_peer;
  Traffic to_client;
};

struct AllocationPage {
  std::vector<AllocationView> found;
  /// Where to go on; nothing: that was all.
  std::optional<std::uint32_t> next;
};

/// What an allocation has relayed so far, both ways together.
struct AllocationLoad {
  SlotHandle handle;
  Duration age{};
  /// As AllocationView::to_peer.
  Traffic relayed;
};

struct LoadPage {
  std::vector<AllocationLoad> found;
  /// As AllocationPage::next.
  std::optional<std::uint32_t> next;
  /// When it was looked.
  TimePoint at;
};

struct PermissionView {
  IpAddress peer;
  Duration left{};
};

struct ChannelView {
  std::uint16_t number = 0;
  Endpoint peer;
  Duration left{};
};

/// At most kMost of each.
struct AllocationDetail {
  static constexpr std::size_t kMost = 256;
  AllocationView view;
  std::vector<PermissionView> permissions;
  std::vector<ChannelView> channels;
};

}  // namespace ts::turn
