// SPDX-License-Identifier: Apache-2.0
// The small texts of HTTP that a client chooses: targets, queries, lists of tokens, tags, origins.
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "../../src/net/http/http_text.hpp"

namespace {

using namespace ts::net::http_text;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = ts::as_text({data, size});
  const std::size_t half = text.find('\n') != std::string_view::npos ? text.find('\n') : size / 2;
  const std::string_view first = text.substr(0, half);
  const std::string_view second = text.substr(std::min(half + 1, size));

  if (const auto decoded = percent_decode(text)) {
    require(decoded->size() <= size);
    require(text.find_first_of("%+") != std::string_view::npos || *decoded == text);
  }
  if (const auto value = query_parameter(first, second)) require(value->size() <= first.size());
  require(equal_ignoring_case(first, second) == equal_ignoring_case(second, first));
  if (has_token(first, second)) require(second.size() <= first.size());
  matches_etag(first, second);
  same_host(first, second);
  const std::string quoted = json_string(text);
  require(quoted.size() >= 2 && quoted.front() == '"' && quoted.back() == '"');
  // UTF-8 is the caller's affair; ASCII must be right.
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
    const auto parsed = nlohmann::json::parse(quoted, nullptr, false);
    require(parsed.is_string() && parsed.get<std::string>() == text);
  }
  return 0;
}
