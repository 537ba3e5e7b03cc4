// SPDX-License-Identifier: Apache-2.0
// From another server's configuration to ours: every option mapped, or named with its replacement or the
// reason why there is none. Pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ts::config {

/// One thing that whoever moves should know. Never holds a secret.
struct MigrationRemark {
  /// 1-based line of the old file; 0: about the file as a whole.
  int line = 0;
  /// The option as it is named there; empty: about the file as a whole.
  std::string option;
  std::string text;

  /// "turnserver.conf:12: option: text"
  std::string to_string(std::string_view file_name) const;
};

struct Migration {
  /// A configuration file that `turnstone check` accepts as long as the certificate files that it names are
  /// there. Holds the secrets of the old file; the remarks are in it as comments.
  std::string yaml;
  std::vector<MigrationRemark> remarks;
};

/// Reads a turnserver.conf (coturn 4.6; any bytes, of which the first kMaxFileBytes count).
Migration migrate_coturn(std::string_view text, std::string_view file_name);

/// What becomes of one option of coturn.
struct CoturnOption {
  std::string_view name;
  /// Our keys, separated by ", "; empty: none.
  std::string_view becomes;
  /// What differs, or why there is no such key.
  std::string_view note;
};

/// Every option that migrate_coturn() knows, in the order of coturn's manual. Valid for the life of the
/// program.
std::span<const CoturnOption> coturn_options();

/// docs/coturn-options.md.
std::string coturn_documentation();

}  // namespace ts::config
