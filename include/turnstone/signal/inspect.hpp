// SPDX-License-Identifier: Apache-2.0
// What operators see of rooms and members. Values without views.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/signal/outbox.hpp>

namespace ts::signal {

struct RoomSummary {
  std::string name;
  std::size_t members = 0;
  /// Members at a time; 0: as many as the server allows.
  std::uint32_t size = 0;
  bool locked = false;
};

struct RoomPage {
  std::vector<RoomSummary> found;
  /// Where to go on; nothing: that was all.
  std::optional<std::uint32_t> next;
};

struct MemberSummary {
  std::string peer;
  /// Who its token says that it is; empty: nobody in particular.
  std::string subject;
  Endpoint remote;
  DialectId dialect = 0;
  /// Its connection was lost, and it may resume.
  bool lost = false;
  /// It is at another node, which alone knows its subject, address and dialect.
  bool elsewhere = false;
};

struct MemberPage {
  std::vector<MemberSummary> found;
  std::size_t total = 0;
  /// Where to go on, whoever leaves meanwhile; nothing: that was all.
  std::optional<std::uint64_t> next;
};

}  // namespace ts::signal
