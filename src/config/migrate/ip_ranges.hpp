// SPDX-License-Identifier: Apache-2.0
// Ranges of addresses as coturn writes them, and the networks that cover them.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include <turnstone/base/address.hpp>

namespace ts::config {

/// Both ends belong to it, are of one family, and first <= last.
struct IpRange {
  IpAddress first;
  IpAddress last;

  /// "10.0.0.0", "10.0.0.0-10.0.0.255", or a network in CIDR form.
  static std::optional<IpRange> parse(std::string_view text);
};

/// What of `range` no range of `holes` covers, in order.
std::vector<IpRange> without(const IpRange& range, const std::vector<IpRange>& holes);

/// The fewest networks that cover exactly the range: at most 254 of them.
std::vector<IpNetwork> networks_of(const IpRange& range);

}  // namespace ts::config
