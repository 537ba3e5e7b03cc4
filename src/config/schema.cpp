// SPDX-License-Identifier: Apache-2.0
// Look-ups in the table, and the guess at what a wrong key was meant to be.
#include <algorithm>

#include <turnstone/config/schema.hpp>

#include "schema_table.hpp"

namespace ts::config {
namespace {

/// Edit distance with insertions, deletions, substitutions and swaps of neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

/// The candidate with the least distance if it is small for the length, else empty.
template <class Range>
std::string nearest(std::string_view wrong, const Range& candidates) {
  constexpr std::size_t kLongest = 64;
  if (wrong.size() > kLongest) return {};
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, wrong.size() / 4) + 1;
  for (const auto& candidate : candidates) {
    const std::size_t here = distance(wrong, candidate);
    if (here < best_distance) best = candidate, best_distance = here;
  }
  return best;
}

/// "auth.realms[2]" of "auth.realms[2].name"; empty for all else.
std::string_view realm_of(std::string_view path) {
  const std::size_t bracket = kRealmsPath.size();
  const std::size_t end = path.find("].", bracket);
  const bool fits = path.starts_with(kRealmsPath) && path.substr(bracket).starts_with('[');
  return fits && end != std::string_view::npos ? path.substr(0, end + 1) : std::string_view();
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

const Key* find_key(std::string_view path) {
  const std::string_view realm = realm_of(path);
  for (const Key& key : realm.empty() ? key_table() : realm_table()) {
    const bool same =
        realm.empty() ? key.info.path == path : leaf_of(key.info.path) == path.substr(realm.size() + 1);
    if (same) return &key;
  }
  return nullptr;
}

const Key* find_key_by_environment(std::string_view name) {
  for (const Key& key : key_table()) {
    if (key.info.environment == name) return &key;
  }
  return nullptr;
}

std::string_view leaf_of(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::string_view section_of(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : path.substr(0, dot);
}

std::string yaml_value(const Key& key, std::span<const std::string> texts) {
  const auto item = [&](const std::string& text) { return key.form == Form::Quoted ? quoted(text) : text; };
  if (!key.info.list) return texts.empty() ? "" : item(texts.front());
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? ", " : "") + item(text);
  return out + ']';
}

std::string nearest_path(std::string_view wrong) {
  std::vector<std::string> paths;
  if (const std::string_view realm = realm_of(wrong); !realm.empty()) {
    for (const Key& key : realm_table())
      paths.push_back(std::string(realm) + '.' + std::string(leaf_of(key.info.path)));
    return nearest(wrong, paths);
  }
  for (const Key& key : key_table()) paths.push_back(key.info.path);
  if (section_of(wrong).empty()) {
    std::vector<std::string> names;
    for (const Section& section : sections()) {
      if (!section.name.empty()) names.push_back(section.name);
    }
    names.emplace_back("dev");
    if (std::string found = nearest(wrong, names); !found.empty()) return found;
  } else if (std::string found = nearest(wrong, paths); !found.empty()) {
    return found;
  }
  // The right name in the wrong section.
  for (const std::string& path : paths) {
    if (leaf_of(path) == leaf_of(wrong)) return path;
  }
  return {};
}

std::string nearest_environment(std::string_view wrong) {
  std::vector<std::string> names;
  for (const Key& key : key_table()) names.push_back(key.info.environment);
  return nearest(wrong, names);
}

std::span<const KeyInfo> keys() {
  static const std::vector<KeyInfo> kKeys = [] {
    std::vector<KeyInfo> out;
    for (const Key& key : key_table()) out.push_back(key.info);
    return out;
  }();
  return kKeys;
}

}  // namespace ts::config
