// SPDX-License-Identifier: Apache-2.0
// The table as JSON Schema, so that editors complete and check the file.
#include <array>

#include <turnstone/config/schema.hpp>

#include "schema_table.hpp"

namespace ts::config {
namespace {

/// The words of "a|b|c" as a JSON array.
std::string choices(std::string_view type) {
  std::string out = "[";
  while (!type.empty()) {
    const std::size_t bar = type.find('|');
    out += (out.size() > 1 ? ", " : "") + quoted(type.substr(0, bar));
    type.remove_prefix(bar == std::string_view::npos ? type.size() : bar + 1);
  }
  return out + ']';
}

struct PlainType {
  std::string_view type;
  /// A plain number will do too.
  bool number;
  std::string_view pattern;
};
constexpr std::array<PlainType, 6> kPlainTypes{{
    {"bit rate", true, "[0-9]+([kMG]?bit)?"},
    {"duration", false, "[0-9]+(ms|s|m|h|d)"},
    {"short duration", false, "[0-9]+(us|ms|s)"},
    {"duration or seconds", true, "[0-9]+(ms|s|m|h|d)?"},
    {"size", true, "[0-9]+(B|KiB|MiB|GiB)?"},
    {"port range", false, "[0-9]+-[0-9]+"},
}};

std::string plain_type(const Key& key) {
  for (const PlainType& plain : kPlainTypes) {
    if (key.info.type != plain.type) continue;
    return std::string(plain.number ? R"("type": ["integer", "string"])" : R"("type": "string")") +
           R"(, "pattern": "^)" + std::string(plain.pattern) + R"($")";
  }
  constexpr std::string_view kList = "list of ";
  std::string_view words = key.info.type;
  if (words.starts_with(kList)) words.remove_prefix(kList.size());
  return R"("enum": )" + choices(words);
}

/// The type of one value or item.
std::string value_type(const Key& key) {
  if (key.info.type.ends_with("listener")) return R"("type": ["integer", "string"])";
  switch (key.form) {
    case Form::Boolean: return R"("type": "boolean")";
    case Form::Integer: {
      const std::uint64_t high = key.info.type == "port" ? 65535 : key.range.high;
      return R"("type": "integer", "minimum": )" + std::to_string(key.range.low) + R"(, "maximum": )" +
             std::to_string(high);
    }
    case Form::Plain: return plain_type(key);
    case Form::Quoted: break;
  }
  return R"("type": "string")";
}

std::string property(const Key& key, const std::string& indent);

/// A realm: an object of the keys of realm_table().
std::string realm_type(const std::string& indent) {
  std::string inner;
  for (const Key& key : realm_table()) inner += (inner.empty() ? "" : ",\n") + property(key, indent + "  ");
  return R"("type": "object", "required": ["name"], "additionalProperties": false, "properties": {)"
         "\n" +
         inner + "}";
}

std::string property(const Key& key, const std::string& indent) {
  std::string type = key.info.path == kRealmsPath ? realm_type(indent) : value_type(key);
  if (key.info.list) type = R"("type": "array", "items": {)" + type + '}';
  const bool null_default = key.info.secret;
  std::string value = key.info.default_value;
  if (!key.info.list && key.form == Form::Plain) value = quoted(value);
  if (value.empty()) value = "null";
  return indent + quoted(leaf_of(key.info.path)) + ": {" + type +
         (null_default ? std::string() : R"(, "default": )" + value) + R"(, "description": )" +
         quoted(key.info.doc) + '}';
}

/// The properties of a section: its keys, and the sections inside of it.
std::string properties_of(const Section& section, const std::string& indent) {
  std::string out;
  const auto add = [&out](const std::string& text) { out += (out.empty() ? "" : ",\n") + text; };
  for (const Key& key : key_table()) {
    if (section_of(key.info.path) == section.name) add(property(key, indent));
  }
  for (const Section& inner : sections()) {
    if (inner.name.empty() || section_of(inner.name) != section.name) continue;
    std::string text = indent + quoted(leaf_of(inner.name));
    text.append(": {\n").append(indent).append("  \"type\": [\"object\", \"null\"],\n");
    text.append(indent).append("  \"description\": ").append(quoted(inner.doc)).append(",\n");
    text.append(indent)
        .append("  \"additionalProperties\": false,\n")
        .append(indent)
        .append("  \"properties\": {\n");
    text.append(properties_of(inner, indent + "    ")).append("\n");
    add(text.append(indent).append("  }\n").append(indent).append("}"));
  }
  return out;
}

}  // namespace

std::string json_schema() {
  std::string out =
      "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
      "  \"title\": \"Turnstone configuration\",\n  \"type\": \"object\",\n  \"additionalProperties\": "
      "false,\n"
      "  \"properties\": {\n";
  return out + properties_of(Section{}, "    ") + "\n  }\n}\n";
}

}  // namespace ts::config
