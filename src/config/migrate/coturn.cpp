// SPDX-License-Identifier: Apache-2.0
// Reads a turnserver.conf line by line, lets the table say what each option does, and writes the YAML.
#include <algorithm>

#include <turnstone/config/load.hpp>
#include <turnstone/config/schema.hpp>

#include "draft.hpp"
#include "loading.hpp"

namespace ts::config {
namespace {

constexpr std::string_view kBlanks = " \t\r\v\f";
constexpr std::size_t kCommentColumns = 108;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// The option of a line; an empty name: a comment, or nothing.
OldLine parse_line(std::string_view text, int number) {
  OldLine out{number, {}, {}};
  text = trimmed(text);
  if (text.empty() || text.front() == '#') return out;
  // As on the command line.
  while (text.starts_with('-')) text.remove_prefix(1);
  const std::size_t stop = std::min(text.find_first_of("= \t"), text.size());
  out.name = text.substr(0, stop);
  text = trimmed(text.substr(stop));
  if (text.starts_with('=')) text = trimmed(text.substr(1));
  if (text.starts_with('"')) {
    text.remove_prefix(1);
    text = text.substr(0, text.find('"'));
  }
  out.value = text;
  return out;
}

void take(Draft& draft, const OldLine& line) {
  const auto rows = coturn_rows();
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const CoturnRow& each) { return each.option.name == line.name; });
  if (row == rows.end()) return draft.remark(line, "unknown: no option of coturn 4.6 has this name");
  if (row->tells) {
    const std::string_view becomes = row->option.becomes;
    draft.remark(
        line, (becomes.empty() ? "" : "see " + std::string(becomes) + ": ") + std::string(row->option.note));
  }
  if (row->carry != nullptr) row->carry(draft, line);
}

/// The value as YAML, of a key of this type.
std::string scalar(const KeyInfo& key, const std::string& value) {
  const bool text = key.type.find("text") != std::string::npos || key.type == "path" || key.secret;
  const bool plain = !text && !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
  if (plain) return value;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7F) {
      out += {'\\', 'x', kDigits[byte >> 4U], kDigits[byte & 0xFU]};
    } else {
      out += c;
    }
  }
  return out + '"';
}

/// One value, or a list.
std::string yaml_value(const KeyInfo& key, const std::vector<std::string>& values) {
  if (!key.list) return scalar(key, values.front());
  std::string out = "[";
  for (const std::string& value : values) out += (out.size() == 1 ? "" : ", ") + scalar(key, value);
  return out + ']';
}

/// The keys in the order of the sample file; those of one section in one mapping.
std::string yaml_body(const Draft& draft) {
  std::string out;
  std::string section;
  for (const KeyInfo& key : keys()) {
    const auto values = draft.values.find(key.path);
    if (values == draft.values.end() || values->second.empty()) continue;
    const std::size_t dot = key.path.find('.');
    const std::string here = key.path.substr(0, dot);
    if (here != section) out += (out.empty() ? "" : "\n") + here + ":\n";
    section = here;
    out += "  " + key.path.substr(dot + 1) + ": " + yaml_value(key, values->second) + '\n';
  }
  return out;
}

/// Any certificate is there: whether it is on this machine says nothing about the old file.
FileText any_certificate(const std::string&) { return {"-----BEGIN CERTIFICATE-----\n", ""}; }

std::vector<Problem> problems_of(const Draft& draft) {
  return load(yaml_body(draft), "", {}, {}, any_certificate).problems;
}

/// The first of `texts`, which are separated by ", ".
std::string first_of(const std::string& texts) { return texts.substr(0, texts.find(", ")); }

bool has_credentials(const Draft& draft) {
  return draft.values.contains("auth.users") || draft.values.contains("auth.secrets");
}

/// Nobody is relayed without credentials, and a file without any is refused.
void need_credentials(Draft& draft) {
  if (has_credentials(draft)) return;
  const auto relay = draft.values.find("relay.enabled");
  if (relay == draft.values.end()) {
    draft.remark(
        draft.secrets_elsewhere
            ? "relay.enabled is false since the secrets are not in this file (coturn reads them from its "
              "database): name them in auth.secrets or auth.secrets_file, then take the line out"
            : "relay.enabled is false since no users and no secrets are in this file: add auth.users, "
              "auth.secrets, or a file of either, then take the line out");
  }
  draft.set("relay.enabled", "false");
}

/// Those of the key's values that are accepted each by itself.
std::vector<std::string> accepted(const std::string& key, const std::vector<std::string>& values) {
  std::vector<std::string> out;
  Draft alone;
  for (const std::string& value : values) {
    alone.values = {{key, {value}}, {"relay.enabled", {"false"}}};
    if (problems_of(alone).empty()) out.push_back(value);
  }
  return out;
}

/// Leaves out what our own checks refuse, so that the file is accepted as a whole.
void drop_refused(Draft& draft) {
  for (;;) {
    need_credentials(draft);
    const std::vector<Problem> problems = problems_of(draft);
    if (problems.empty()) return;
    const Problem& problem = problems.front();
    const std::string key = first_of(problem.key);
    const auto values = draft.values.find(key);
    if (values == draft.values.end()) {
      // Wrong as a whole, such as one that is too long.
      draft.remark("nothing is carried over: expected " + problem.expected);
      draft.values = {{"relay.enabled", {"false"}}};
      return;
    }
    const std::size_t before = values->second.size();
    std::vector<std::string> kept;
    if (before > 1) kept = accepted(key, values->second);
    if (kept.size() == before) kept.clear();
    draft.remark(key + (kept.empty() ? " is" : ": what is refused is") + " left out: expected " +
                 problem.expected);
    if (kept.empty()) {
      draft.values.erase(values);
    } else {
      values->second = std::move(kept);
    }
  }
}

/// Wraps a remark into comment lines.
std::string comment(const std::string& text) {
  std::string out;
  std::string line = "#";
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t stop = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, stop - at);
    if (line.size() + 1 + word.size() > kCommentColumns && line.size() > 3) {
      out += line + '\n';
      line = "#  ";
    }
    line += ' ' + word;
    at = stop + 1;
  }
  return out + line + '\n';
}

}  // namespace

std::string MigrationRemark::to_string(std::string_view file_name) const {
  std::string out;
  if (line != 0) out += std::string(file_name) + ':' + std::to_string(line) + ": ";
  if (!option.empty()) out += option + ": ";
  return out + text;
}

void Draft::remark(const OldLine& line, std::string text) {
  if (remarks.size() < kMaxRemarks) remarks.push_back({line.number, excerpt(line.name), std::move(text)});
}

bool is_on(const OldLine& line) {
  if (line.value.empty()) return true;
  const char first = line.value.front();
  return first != '0' && first != 'n' && first != 'N' && first != 'f' && first != 'F' && line.value != "off";
}

Migration migrate_coturn(std::string_view text, std::string_view file_name) {
  Draft draft;
  text = text.substr(0, kMaxFileBytes);
  int number = 0;
  while (!text.empty()) {
    const std::size_t stop = std::min(text.find('\n'), text.size());
    const OldLine line = parse_line(text.substr(0, stop), ++number);
    if (!line.name.empty()) take(draft, line);
    text.remove_prefix(std::min(stop + 1, text.size()));
  }
  assemble(draft);
  drop_refused(draft);
  Migration out;
  out.yaml = comment("From " + excerpt(file_name) +
                     ", by turnstone config migrate. What is not set here has its "
                     "default: turnstone config sample.");
  for (const MigrationRemark& remark : draft.remarks)
    out.yaml += comment(remark.to_string(excerpt(file_name)));
  out.yaml += '\n' + yaml_body(draft);
  out.remarks = std::move(draft.remarks);
  return out;
}

std::string coturn_documentation() {
  std::string out = R"(# coturn's options

<!-- Generated by `turnstone config migrate --options`; change src/config/migrate/coturn_options.cpp instead. -->

What becomes of each option of a turnserver.conf. [Moving from coturn](moving.md#coturn) says how to go about it;
`turnstone config migrate turnserver.conf` does what this table says.

| coturn | Turnstone | note |
|---|---|---|
)";
  for (const CoturnOption& option : coturn_options()) {
    std::string becomes;
    std::string_view rest = option.becomes;
    while (!rest.empty()) {
      const std::size_t stop = std::min(rest.find(", "), rest.size());
      becomes += (becomes.empty() ? "`" : ", `") + std::string(rest.substr(0, stop)) + '`';
      rest.remove_prefix(std::min(stop + 2, rest.size()));
    }
    out += "| `" + std::string(option.name) + "` | " + (becomes.empty() ? "–" : becomes) + " | " +
           std::string(option.note) + " |\n";
  }
  return out;
}

}  // namespace ts::config
