// SPDX-License-Identifier: Apache-2.0
// The layers file, environment, command line over each other, then secret files and cross-field checks.
#include <algorithm>

#include <turnstone/config/load.hpp>

#include "checks.hpp"
#include "loading.hpp"
#include "schema_table.hpp"
#include "yaml_tree.hpp"

namespace ts::config {
namespace {

constexpr std::size_t kNone = std::string_view::npos;
/// A guess is dear: past this many problems it is left out.
constexpr std::size_t kMaxGuesses = 100;

/// Reads one document into a Loading, section by section.
class FileLayer {
 public:
  FileLayer(Loading& loading, std::string_view file) : loading_(loading), file_(file) {}

  void apply(const Node& root) {
    if (root.kind == Node::Kind::Null) return;
    if (root.kind != Node::Kind::Mapping) {
      shape_problem("(the whole file)", root, "sections such as `listen:`",
                    "Begin with a section; see config sample.");
      return;
    }
    walk(root, "");
  }

 private:
  std::string source(int line) const { return file_ + (line > 0 ? ":" + std::to_string(line) : ""); }

  void problem(int line, std::string key, std::string expected, std::string found, std::string remedy) {
    loading_.problems.push_back(
        {source(line), line, std::move(key), std::move(expected), std::move(found), std::move(remedy)});
  }

  void shape_problem(std::string key, const Node& node, std::string expected, std::string remedy) {
    problem(node.line, std::move(key), std::move(expected), shape_name(node.kind), std::move(remedy));
  }

  static std::string shape_name(Node::Kind kind) {
    switch (kind) {
      case Node::Kind::Null: return "nothing";
      case Node::Kind::Scalar: return "a single value";
      case Node::Kind::Sequence: return "a list";
      case Node::Kind::Mapping: break;
    }
    return "a mapping";
  }

  void walk(const Node& mapping, const std::string& prefix) {
    std::map<std::string, int> seen;
    for (std::size_t i = 0; i + 1 < mapping.children.size(); i += 2) {
      const Node& name = mapping.children[i];
      if (name.kind != Node::Kind::Scalar) {
        shape_problem(prefix.empty() ? "(key)" : prefix, name, "a key", "Write `key: value`.");
        continue;
      }
      const std::string path = prefix.empty() ? name.text : prefix + '.' + name.text;
      const auto [former, is_new] = seen.emplace(path, name.line);
      if (!is_new) {
        problem(name.line, excerpt(path), "each key once",
                "it again; first on line " + std::to_string(former->second), "Keep one of the two.");
        continue;
      }
      visit(path, name, mapping.children[i + 1]);
    }
  }

  void visit(const std::string& path, const Node& name, const Node& value) {
    if (path == kRealmsPath) return realms(value);
    if (const Key* key = find_key(path)) {
      if (key->info.path == path) return set(*key, value, name.line);
      Key of_realm = *key;
      of_realm.info.path = path;
      return set(of_realm, value, name.line);
    }
    const bool is_section = std::any_of(sections().begin(), sections().end(),
                                        [&](const Section& s) { return !s.name.empty() && s.name == path; });
    if (!is_section) {
      const std::string near = loading_.problems.size() < kMaxGuesses ? nearest_path(path) : "";
      problem(name.line, excerpt(path), "a key that exists", "an unknown key",
              near.empty() ? "Remove it; `turnstone config sample` shows all keys."
                           : "Did you mean `" + near + "`?");
      return;
    }
    if (value.kind == Node::Kind::Mapping) return walk(value, path);
    if (value.kind != Node::Kind::Null) {
      shape_problem(path, value, "keys of the section", "Write its keys on indented lines below.");
    }
  }

  /// A list of mappings, each a realm; its keys set what stands last in the lists of realms.
  void realms(const Node& list) {
    if (list.kind == Node::Kind::Null) return;
    const std::string path(kRealmsPath);
    const char* remedy = "Write each realm as an item, `- name: eu.example.org`, its other keys below.";
    if (list.kind != Node::Kind::Sequence) return shape_problem(path, list, "a list", remedy);
    loading_.origins[path] = Origin{Layer::File, source(list.line), list.line};
    for (const Node& item : list.children) {
      Config& config = loading_.config;
      const std::string at = path + '[' + std::to_string(config.auth.realms.size()) + ']';
      if (item.kind != Node::Kind::Mapping) {
        shape_problem(at, item, "a mapping", remedy);
        continue;
      }
      config.auth.realms.emplace_back();
      config.turn.realms.emplace_back();
      config.secret_files.realms.emplace_back();
      loading_.origins[at] = Origin{Layer::File, source(item.line), item.line};
      walk(item, at);
    }
  }

  void set(const Key& key, const Node& value, int key_line) {
    if (value.kind == Node::Kind::Null) return;  // a key without a value keeps its default
    const int line = value.line > 0 ? value.line : key_line;
    const bool fits = key.info.list ? value.kind == Node::Kind::Sequence : value.kind == Node::Kind::Scalar;
    if (!fits) {
      loading_.failed.insert(key.info.path);
      shape_problem(key.info.path, value, key.info.list ? "a list" : key.expected,
                    key.info.list ? "Write [item, item], or one `- item` a line." : key.info.remedy);
      return;
    }
    if (!key.info.list) return loading_.set(key, {{value.text, source(line), line}}, Layer::File);
    std::vector<Item> items;
    for (const Node& item : value.children) {
      if (item.kind != Node::Kind::Scalar) {
        loading_.failed.insert(key.info.path);
        shape_problem(key.info.path, item, key.expected, key.info.remedy);
        continue;
      }
      items.push_back({item.text, source(item.line), item.line});
    }
    if (items.size() == value.children.size())
      loading_.set(key, std::move(items), Layer::File, source(line), line);
  }

  Loading& loading_;
  std::string file_;
};

std::vector<Item> split_list(std::string_view text, const std::string& source) {
  std::vector<Item> out;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!item.empty()) out.push_back({std::string(item), source, 0});
    text.remove_prefix(comma == kNone ? text.size() : comma + 1);
  }
  return out;
}

/// Variables that Kubernetes makes of a Service whose name begins with "turnstone".
bool is_service_link(std::string_view name) {
  return name.ends_with("_SERVICE_HOST") || name.find("_SERVICE_PORT") != kNone || name.ends_with("_PORT") ||
         name.find("_PORT_") != kNone;
}

/// Does a variable begin like those of a section of ours?
bool names_section(std::string_view variable) {
  for (const Section& section : sections()) {
    std::string prefix = "TURNSTONE_" + section.name + '_';
    for (char& c : prefix) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    if (!section.name.empty() && variable.starts_with(prefix)) return true;
  }
  return false;
}

void apply_environment(Loading& loading, const Environment& environment) {
  for (const auto& [name, value] : environment) {
    if (value.empty() || name == "TURNSTONE_CONFIG") continue;
    if (const Key* key = find_key_by_environment(name)) {
      loading.set(*key, key->info.list ? split_list(value, name) : std::vector<Item>{{value, name, 0}},
                  Layer::Variables);
      continue;
    }
    if (is_service_link(name)) continue;
    const std::string near = nearest_environment(name);
    if (near.empty() && !names_section(name)) continue;
    loading.problems.push_back({"environment", 0, excerpt(name), "a variable that exists", "an unknown one",
                                near.empty() ? "Unset it; docs/configuration.md lists the variables."
                                             : "Did you mean `" + near + "`?"});
  }
}

void apply_overrides(Loading& loading, std::span<const Override> overrides) {
  std::vector<std::string> done;
  for (const Override& first : overrides) {
    if (std::find(done.begin(), done.end(), first.key) != done.end()) continue;
    done.push_back(first.key);
    const Key* key = find_key(first.key);
    if (key == nullptr) {
      loading.problems.push_back(
          {first.flag, 0, excerpt(first.key), "a key that exists", "an unknown key", "Remove the flag."});
      continue;
    }
    std::vector<Item> items;
    for (const Override& other : overrides) {
      if (other.key == first.key) items.push_back({other.value, other.flag, 0});
    }
    loading.set(*key, std::move(items), Layer::CommandLine);
  }
}

}  // namespace

void Loading::set(const Key& key, std::vector<Item> items, Layer layer, const std::string& source, int line) {
  std::vector<std::string> texts;
  for (const Item& item : items) texts.push_back(item.text);
  const std::string from = source.empty() && !items.empty() ? items.front().source : source;
  const int from_line = source.empty() && !items.empty() ? items.front().line : line;
  origins[key.info.path] = Origin{layer, from, from_line};
  const std::vector<std::size_t> bad = key.set(config, texts);
  for (const std::size_t at : bad) {
    const std::string found =
        key.info.secret ? "something else (a secret is not shown)" : '"' + excerpt(items[at].text) + '"';
    problems.push_back(
        {items[at].source, items[at].line, key.info.path, key.expected, found, key.info.remedy});
  }
  if (!bad.empty()) {
    failed.insert(key.info.path);
  } else if (layer != Layer::File) {
    failed.erase(key.info.path);
  }
}

std::string excerpt(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::string out;
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      constexpr std::string_view kHex = "0123456789abcdef";
      out += "\\x";
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xFU];
    }
  }
  return text.size() > kLongest ? out + "..." : out;
}

LoadResult load(std::string_view yaml_text, std::string_view file_name, const Environment& environment,
                std::span<const Override> overrides, const FileReader& reader) {
  Loading loading;
  const Node root = parse_yaml(yaml_text, file_name, loading.problems);
  const bool unreadable = !loading.problems.empty();
  FileLayer(loading, file_name).apply(root);
  apply_environment(loading, environment);
  apply_overrides(loading, overrides);
  read_secret_files(loading, reader);
  // The TLS port's number is free for UDP wherever it is for TCP, as a rule.
  if (!loading.origins.contains("listen.dtls_port"))
    loading.config.net.dtls_port = loading.config.net.tls_port;
  // Whoever develops does not want to wait for leftovers.
  if (loading.config.dev && !loading.origins.contains("shutdown.drain_timeout"))
    loading.config.shutdown.drain_timeout = std::chrono::milliseconds(0);
  // Of a file that is no YAML nothing is known: what it lacks is not worth telling.
  if (!unreadable) check(loading, reader);
  return {std::move(loading.config), std::move(loading.problems), std::move(loading.warnings)};
}

LoadResult load_file(const std::string& path, const Environment& environment,
                     std::span<const Override> overrides, const FileReader& reader) {
  if (path.empty()) return load("", "", environment, overrides, reader);
  const FileText file = reader(path);
  if (file.error.empty()) return load(file.text, path, environment, overrides, reader);
  LoadResult out;
  out.problems.push_back({path, 0, "--config", "a readable file of at most 1 MiB", excerpt(file.error),
                          "Name the configuration file; `turnstone config sample` prints one."});
  return out;
}

}  // namespace ts::config
