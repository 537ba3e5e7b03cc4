// SPDX-License-Identifier: Apache-2.0
// What is posted to an event stream, and what an event makes of any text: messages are parts of the body in
// its order, and no text breaks out of its event or its chunk.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "../../src/net/http/event_text.hpp"

namespace {

using namespace ts::net::event_text;

void check_body(std::string_view body) {
  const std::string_view whole = body;
  const char* last = whole.data();
  std::size_t bytes = 0;
  while (const auto message = take_message(body)) {
    if (message->data() < last || message->empty() || message->find('\n') != std::string_view::npos)
      std::abort();
    last = message->data() + message->size();
    bytes += message->size();
  }
  if (!body.empty() || bytes > whole.size()) std::abort();
}

/// As a client reads it.
std::string data_of(std::string_view text) {
  std::string out;
  bool first = true;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.empty() != text.empty() || line.find('\r') != std::string_view::npos) std::abort();
    if (!line.starts_with("data: ")) continue;
    if (!first) out += '\n';
    first = false;
    out += line.substr(6);
  }
  return out;
}

void check_event(std::string_view text) {
  const std::string made = event("close", 7, text);
  std::string wanted;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    wanted += text[i] == '\r' ? '\n' : text[i];
  }
  if (data_of(made) != wanted) std::abort();
  std::string chunk;
  append_chunk(chunk, made);
  const std::size_t head = chunk.find("\r\n");
  if (std::stoul(chunk.substr(0, head), nullptr, 16) != made.size()) std::abort();
  if (chunk.substr(head + 2) != made + "\r\n") std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_body(text);
  check_event(text);
  const auto number = post_number(text);
  if (number && (*number == 0 || text.find_first_not_of("0123456789") != std::string::npos)) std::abort();
  return 0;
}
