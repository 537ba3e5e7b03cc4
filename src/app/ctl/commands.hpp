// SPDX-License-Identifier: Apache-2.0
// The subcommands of `turnstone ctl` as a table: what they take, and which request they make. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/app/cli.hpp>

namespace ts::app::ctl {

struct Flag {
  /// "--user"; without the dashes it is a parameter of the request.
  const char* name;
  const char* type;
  const char* what;
};

struct Column {
  const char* key;
  const char* heading;
};

struct CommandInfo {
  const char* name;
  const char* what;
  /// Names of what stands behind it; a last one in brackets may be left out.
  std::vector<const char*> arguments;
  std::vector<Flag> flags;
  /// Of a list: the member of the answer that holds it, and how it is printed. Null: the answer is one
  /// object.
  const char* list = nullptr;
  std::vector<Column> columns;
};

std::span<const CommandInfo> commands();
/// Null: there is none.
const CommandInfo* find_command(std::string_view name);

struct Request {
  std::string method = "GET";
  /// Path and query, encoded.
  std::string target;
  /// JSON; empty: none.
  std::string body;
};

/// `cursor`: where a list goes on; empty: at its beginning.
Request request_for(const CtlOptions& options, const std::string& cursor);

}  // namespace ts::app::ctl
