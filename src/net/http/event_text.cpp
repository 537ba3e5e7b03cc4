// SPDX-License-Identifier: Apache-2.0
#include "event_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace ts::net::event_text {

std::string event(std::string_view name, std::uint64_t id, std::string_view data) {
  std::string out;
  out.reserve(data.size() + name.size() + 48);
  if (!name.empty()) out.append("event: ").append(name).append("\n");
  if (id != 0) out.append("id: ").append(std::to_string(id)).append("\n");
  for (;;) {
    const std::size_t end = std::min(data.find_first_of("\r\n"), data.size());
    out.append("data: ").append(data.substr(0, end)).append("\n");
    if (end == data.size()) return out.append("\n");
    const bool pair = data.substr(end, 2) == "\r\n";
    data.remove_prefix(end + (pair ? 2 : 1));
  }
}

void append_chunk(std::string& out, std::string_view data) {
  std::array<char, 16> size{};
  const auto end = std::to_chars(size.data(), size.data() + size.size(), data.size(), 16);
  out.append(size.data(), end.ptr).append("\r\n").append(data).append("\r\n");
}

std::optional<std::string_view> take_message(std::string_view& body) noexcept {
  while (!body.empty()) {
    const std::size_t end = std::min(body.find('\n'), body.size());
    std::string_view line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) return line;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> post_number(std::string_view text) noexcept {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

}  // namespace ts::net::event_text
