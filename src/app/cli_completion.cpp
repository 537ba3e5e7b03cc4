// SPDX-License-Identifier: Apache-2.0
// Completion scripts. Each finds the command that the words so far name, then offers what the tree has there.
#include <algorithm>
#include <utility>

#include "cli_tree.hpp"

namespace ts::app {
namespace {

/// `text` between single quotes of a shell.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + '\'';
}

/// The first sentence, without what would end a description.
std::string brief(std::string_view text) {
  std::string out(text.substr(0, text.find('\n')));
  while (!out.empty() && out.back() == '.') out.pop_back();
  return out;
}

/// The values that a placeholder such as "auto|epoll" names; none for "FILE" or "N".
std::vector<std::string> choices(std::string_view value) {
  std::vector<std::string> out;
  if (value.find('|') == std::string_view::npos) return out;
  while (!value.empty()) {
    const std::size_t stop = std::min(value.find('|'), value.size());
    out.emplace_back(value.substr(0, stop));
    value.remove_prefix(std::min(stop + 1, value.size()));
  }
  return out;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : std::string(between)) + word;
  return out;
}

/// A command with the words that lead to it; the root's path is empty.
struct Place {
  std::string path;
  const CliCommand* command;
};

void collect(const CliCommand& command, const std::string& path, std::vector<Place>& out) {
  out.push_back({path, &command});
  for (const CliCommand& each : command.commands)
    collect(each, path.empty() ? each.name : path + ' ' + each.name, out);
}

/// `case` arms that go from a place, by a word, to the next one: the syntax that bash and zsh share.
std::string steps(const std::vector<Place>& places) {
  std::string out;
  for (const Place& place : places) {
    for (const CliCommand& each : place.command->commands) {
      const std::string next = place.path.empty() ? each.name : place.path + ' ' + each.name;
      out += "      " + quoted(place.path + '|' + each.name) + ") at=" + quoted(next) + " ;;\n";
    }
  }
  return out;
}

/// Arms for the value of the option before the cursor. `files`, `words` and `other` do it in the shell's way.
template <class Words>
std::string value_arms(const std::vector<Place>& places, std::string_view files, std::string_view other,
                       Words words) {
  std::string out;
  for (const Place& place : places) {
    for (const CliOption& option : place.command->options) {
      if (option.value.empty() || option.names.empty()) continue;
      std::string pattern;
      for (const std::string& name : option.names)
        pattern += (pattern.empty() ? "" : "|") + quoted(place.path + '|' + name);
      const std::vector<std::string> values = choices(option.value);
      out += "    " + pattern + ") ";
      out += !values.empty() ? words(values) : std::string(option.value.starts_with("FILE") ? files : other);
      out += "; return ;;\n";
    }
  }
  return out;
}

/// What may stand at the cursor, and what it is.
std::vector<std::pair<std::string, std::string>> offers(const CliCommand& command) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const CliCommand& each : command.commands) out.emplace_back(each.name, brief(each.what));
  for (const CliOption& option : command.options) {
    for (const std::string& name : option.names) out.emplace_back(name, brief(option.what));
    if (!option.names.empty()) continue;
    for (const std::string& value : choices(option.value)) out.emplace_back(value, brief(option.what));
  }
  return out;
}

bool takes_file(const CliCommand& command) {
  for (const CliOption& option : command.options) {
    if (option.names.empty() && option.value.starts_with("FILE")) return true;
  }
  return false;
}

std::string bash(const std::vector<Place>& places) {
  std::string out = R"(# bash completion of turnstone; made by: turnstone completion bash
_turnstone() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} at='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at|${COMP_WORDS[i]}" in
)" + steps(places) + R"(    esac
  done
  case "$at|$prev" in
)" +
                    value_arms(places, "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")", ":",
                               [](const std::vector<std::string>& values) {
                                 return "mapfile -t COMPREPLY < <(compgen -W " + quoted(joined(values, " ")) +
                                        " -- \"$cur\")";
                               }) +
                    "  esac\n  case \"$at\" in\n";
  for (const Place& place : places) {
    std::vector<std::string> words;
    for (const auto& [word, what] : offers(*place.command)) words.push_back(word);
    out += "    " + quoted(place.path) + ") mapfile -t COMPREPLY < <(compgen " +
           (takes_file(*place.command) ? "-f " : "") + "-W " + quoted(joined(words, " ")) +
           " -- \"$cur\") ;;\n";
  }
  return out + "  esac\n}\ncomplete -o filenames -F _turnstone turnstone\n";
}

std::string zsh(const std::vector<Place>& places) {
  std::string out = R"(#compdef turnstone
# zsh completion of turnstone; made by: turnstone completion zsh
_turnstone() {
  local at='' word prev=${words[CURRENT-1]}
  local -a offers
  for word in "${(@)words[2,CURRENT-1]}"; do
    case "$at|$word" in
)" + steps(places) + R"(    esac
  done
  case "$at|$prev" in
)" +
                    value_arms(places, "_files", "_message value",
                               [](const std::vector<std::string>& values) {
                                 std::string added = "compadd --";
                                 for (const std::string& value : values) added += ' ' + quoted(value);
                                 return added;
                               }) +
                    "  esac\n  case \"$at\" in\n";
  for (const Place& place : places) {
    out += "    " + quoted(place.path) + ") offers=(";
    for (const auto& [word, what] : offers(*place.command)) {
      std::string offer(word);
      out.append("\n      ").append(quoted(offer.append(":").append(what)));
    }
    out.append(")").append(takes_file(*place.command) ? "; _files" : "").append(" ;;\n");
  }
  return out + "  esac\n  _describe -t arguments turnstone offers\n}\n_turnstone \"$@\"\n";
}

std::string fish(const std::vector<Place>& places) {
  std::string out = R"(# fish completion of turnstone; made by: turnstone completion fish
function __turnstone_at
  set -l at ''
  set -l words (commandline -opc)
  for word in $words[2..-1]
    switch "$at|$word"
)";
  for (const Place& place : places) {
    for (const CliCommand& each : place.command->commands) {
      const std::string next = place.path.empty() ? each.name : place.path + ' ' + each.name;
      out += "      case " + quoted(place.path + '|' + each.name) + "\n        set at " + quoted(next) + '\n';
    }
  }
  out += "    end\n  end\n  test \"$at\" = \"$argv[1]\"\nend\n";
  for (const Place& place : places) {
    const std::string here = "complete -c turnstone -n \"__turnstone_at " + quoted(place.path) + "\"";
    if (!takes_file(*place.command)) out += here + " -f\n";
    for (const CliCommand& each : place.command->commands)
      out += here + " -a " + quoted(each.name) + " -d " + quoted(brief(each.what)) + '\n';
    for (const CliOption& option : place.command->options) {
      const std::string values = joined(choices(option.value), " ");
      if (option.names.empty()) {
        if (!values.empty()) out += here + " -a " + quoted(values) + '\n';
        continue;
      }
      out += here;
      for (const std::string& name : option.names)
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (!option.value.empty()) out += option.value.starts_with("FILE") ? " -r -F" : " -x";
      if (!values.empty()) out += " -a " + quoted(values);
      out += " -d " + quoted(brief(option.what)) + '\n';
    }
  }
  return out;
}

}  // namespace

std::optional<std::string> completion(const CliCommand& root, std::string_view shell) {
  std::vector<Place> places;
  collect(root, "", places);
  if (shell == "bash") return bash(places);
  if (shell == "zsh") return zsh(places);
  if (shell == "fish") return fish(places);
  return std::nullopt;
}

}  // namespace ts::app
