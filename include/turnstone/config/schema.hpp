// SPDX-License-Identifier: Apache-2.0
// The one table of every key, and what is rendered from it: sample file, documentation, JSON schema,
// effective configuration. Pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <turnstone/config/config.hpp>

namespace ts::config {

/// What a key looks like from outside.
struct KeyInfo {
  /// "listen.port"
  std::string path;
  /// "port", "duration", "list of networks", …
  std::string type;
  /// The default as YAML.
  std::string default_value;
  /// "10s" or "64KiB"-like units, with the range; may be empty.
  std::string unit;
  std::string doc;
  std::string remedy;
  /// "--port", or empty.
  std::string flag;
  /// "TURNSTONE_LISTEN_PORT"
  std::string environment;
  bool secret = false;
  bool list = false;
  /// Takes effect with a reload; other keys need a restart.
  bool live = false;
};

/// All keys in the order of the file. Valid for the life of the program.
std::span<const KeyInfo> keys();

/// The annotated config/turnstone.yaml.
std::string sample_yaml();
/// docs/configuration.md.
std::string documentation();
/// docs/config.schema.json (JSON Schema 2020-12).
std::string json_schema();
/// The effective configuration as YAML; secrets are shown as ***.
std::string print(const Config& config);

}  // namespace ts::config
