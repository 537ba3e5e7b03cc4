// SPDX-License-Identifier: Apache-2.0
#include "print.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "../probe/text.hpp"

namespace ts::app::ctl {
namespace {

/// 90 s, 12 min, 3 h: two digits say enough.
std::string age(double seconds) {
  if (seconds < 120) return std::to_string(static_cast<long>(seconds)) + " s";
  if (seconds < 7200) return std::to_string(static_cast<long>(seconds / 60)) + " min";
  return std::to_string(static_cast<long>(seconds / 3600)) + " h";
}

std::string bytes(double count) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  for (; count >= 1024 && unit + 1 < kUnits.size(); ++unit) count /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", count, kUnits[unit]);
  return text.data();
}

std::string cell(const std::string& key, const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_number() && key.ends_with("_seconds")) return age(value.get<double>());
  if (value.is_number() && key.ends_with("_per_second"))
    return std::to_string(std::llround(value.get<double>()));
  if (value.is_object() && value.contains("bytes")) {
    const Json& count = value["bytes"];
    return count.is_number() ? bytes(count.get<double>()) : "-";
  }
  if (value.is_array()) {
    std::string out;
    for (const Json& item : value) out += (out.empty() ? "" : ", ") + cell(key, item);
    return out.empty() ? "-" : out;
  }
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_object()) {
    std::string out;
    for (const auto& [name, member] : value.items())
      out += (out.empty() ? "" : ", ") + name + ' ' + cell(name, member);
    return probe::printable(out);
  }
  return probe::printable(value.is_string() ? value.get<std::string>() : value.dump());
}

std::string padded(std::string text, std::size_t width) {
  const std::size_t has = probe::columns(text);
  if (has < width) text.append(width - has, ' ');
  return text;
}

}  // namespace

std::string table(const std::vector<Column>& columns, const std::vector<Json>& rows) {
  if (rows.empty()) return "(none)\n";
  std::vector<std::vector<std::string>> texts(1);
  for (const Column& column : columns) texts[0].emplace_back(column.heading);
  for (const Json& row : rows) {
    std::vector<std::string>& line = texts.emplace_back();
    for (const Column& column : columns)
      line.push_back(
          cell(column.key, row.is_object() && row.contains(column.key) ? row[column.key] : Json()));
  }
  std::string out;
  std::vector<std::size_t> widths(columns.size(), 0);
  for (const auto& line : texts) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], probe::columns(line[i]));
  }
  for (const auto& line : texts) {
    for (std::size_t i = 0; i + 1 < line.size(); ++i) out += padded(line[i], widths[i] + 2);
    out += line.back() + '\n';
  }
  return out;
}

std::string json_text(const Json& value) {
  return value.dump(2, ' ', true, Json::error_handler_t::replace) + '\n';
}

std::optional<std::uint64_t> left_of(const Json& status) {
  if (!status.is_object() || !status.contains("draining") || !status["draining"].is_boolean()) return {};
  std::uint64_t out = 0;
  for (const char* name : {"allocations", "sessions"}) {
    if (!status.contains(name) || !status[name].is_number_unsigned()) return {};
    out += status[name].get<std::uint64_t>();
  }
  return out;
}

bool is_complete(const Json& answer) {
  return !answer.is_object() || !answer.contains("complete") || answer["complete"] != false;
}

std::string lines(const Json& object) {
  std::string out;
  if (!object.is_object()) return probe::printable(object.dump()) + '\n';
  for (const auto& [name, value] : object.items()) {
    const std::string heading = probe::printable(name, 40);
    if (!value.is_array()) {
      out += padded(heading, 18) + cell(name, value) + '\n';
      continue;
    }
    out += heading + (value.empty() ? ": none\n" : ":\n");
    for (const Json& item : value) out += "  " + cell(name, item) + '\n';
  }
  return out;
}

}  // namespace ts::app::ctl
