// SPDX-License-Identifier: Apache-2.0
// The table of keys with what the loader and the renderers need beyond KeyInfo.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/config/schema.hpp>

#include "codecs.hpp"

namespace ts::config {

struct Key {
  KeyInfo info;
  Form form = Form::Plain;
  Range range;
  /// Completes "expected …"; of one item when the key is a list.
  std::string expected;
  /// Sets the value; the indices of the texts that do not parse, which are left out.
  std::function<std::vector<std::size_t>(Config&, std::span<const std::string> texts)> set;
  /// The value as texts, secrets as ***; one text unless it is a list.
  std::function<std::vector<std::string>(const Config&)> get;
  /// True when both have the same value, which may be a secret.
  std::function<bool(const Config&, const Config&)> same;
  /// Takes the value over.
  std::function<void(Config& to, const Config& from)> copy;
  /// An example for the sample file where the default says little; may be empty.
  std::string example;
};

struct Section {
  std::string name;
  std::string doc;
};

/// The key that holds realms: a list of mappings, whose keys are those of realm_table().
inline constexpr std::string_view kRealmsPath = "auth.realms";

/// In the order of the file.
std::span<const Key> key_table();
/// The keys of one realm, as "auth.realms[].name"; they read and set the last one of a Config.
std::span<const Key> realm_table();
std::span<const Section> sections();

/// The key of a dotted path, or null. "auth.realms[2].name" is that of "auth.realms[].name".
const Key* find_key(std::string_view path);
/// The key of an environment variable, or null.
const Key* find_key_by_environment(std::string_view name);

/// "port" of "listen.port".
std::string_view leaf_of(std::string_view path);
/// "listen" of "listen.port"; empty for a top-level key.
std::string_view section_of(std::string_view path);

/// YAML of a value: plain, quoted or a list in brackets.
std::string yaml_value(const Key& key, std::span<const std::string> texts);

/// The text in quotes, as YAML and JSON write it.
std::string quoted(std::string_view text);

/// The nearest of the known paths, or empty when none is near.
std::string nearest_path(std::string_view wrong);
std::string nearest_environment(std::string_view wrong);

}  // namespace ts::config
