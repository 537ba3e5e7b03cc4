// SPDX-License-Identifier: Apache-2.0
// A configuration in the making: what the options of the old file have said so far.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/config/migrate.hpp>

#include "ip_ranges.hpp"

namespace ts::config {

/// A line of the old file that says something.
struct OldLine {
  int number = 0;
  std::string_view name;
  /// Without quotes; empty: none.
  std::string_view value;
};

struct Draft {
  /// Our keys, each with its values; several only of lists.
  std::map<std::string, std::vector<std::string>, std::less<>> values;
  std::vector<MigrationRemark> remarks;

  // Of several options together; written by assemble().
  struct External {
    IpAddress advertised;
    std::optional<IpAddress> local;
  };
  std::vector<External> external;
  std::vector<IpAddress> relays;
  std::vector<IpAddress> listening;
  std::vector<IpRange> denied;
  std::vector<IpRange> allowed;
  std::optional<std::uint64_t> min_port;
  std::optional<std::uint64_t> max_port;
  std::string certificate;
  std::string key;
  bool no_tls = false;
  bool no_dtls = false;
  bool no_rfc5780 = false;
  bool secrets_elsewhere = false;

  void set(std::string_view ours, std::string value) {
    values.insert_or_assign(std::string(ours), std::vector{std::move(value)});
  }
  void add(std::string_view ours, std::string value) {
    values[std::string(ours)].push_back(std::move(value));
  }
  /// Remarks beyond kMaxRemarks are not kept.
  void remark(const OldLine& line, std::string text);
  void remark(std::string text) { remark(OldLine{}, std::move(text)); }
};

inline constexpr std::size_t kMaxRemarks = 1000;

/// What an option does to the draft. The option's note is told by the caller where `tells` is true.
using Carry = void (*)(Draft& draft, const OldLine& line);

struct CoturnRow {
  CoturnOption option;
  /// Null: nothing can be carried over.
  Carry carry = nullptr;
  /// The note is a remark whenever the option is met; else `carry` decides.
  bool tells = true;
};

/// The table behind coturn_options(), in the same order.
std::span<const CoturnRow> coturn_rows();

/// The boolean of a flag, as coturn reads it: "no", "off", "false" and "0" switch it off.
bool is_on(const OldLine& line);

/// Turns what several options say together into values and remarks.
void assemble(Draft& draft);

}  // namespace ts::config
