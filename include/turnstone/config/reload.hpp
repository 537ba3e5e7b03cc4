// SPDX-License-Identifier: Apache-2.0
// What differs between two configurations, and what of it may change while the server runs. Pure functions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <turnstone/config/config.hpp>

namespace ts::config {

/// A key whose value differs.
struct Change {
  /// "auth.users"
  std::string key;
  /// It takes effect at once; else a restart is needed.
  bool live = false;

  friend bool operator==(const Change&, const Change&) = default;
};

/// What differs, in the order of the file. A secret is compared, and never shown.
std::vector<Change> changes(const Config& before, const Config& after);

/// Takes the live ones of `changes` over.
void adopt(Config& to, const Config& from, std::span<const Change> changes);

}  // namespace ts::config
