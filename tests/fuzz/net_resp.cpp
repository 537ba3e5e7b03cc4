// SPDX-License-Identifier: Apache-2.0
// RESP3: the same bytes in one piece and in many must read the same, and stay within the limits.
#include <algorithm>
#include <cstdlib>
#include <string>

#include <turnstone/base/bytes.hpp>

#include "../../src/net/redis/resp.hpp"

namespace {

using namespace ts;
using namespace ts::net;

constexpr std::size_t kMaxBulk = 256;

void show(const RespValue& value, std::string& out) {
  if (value.text.size() > std::max(kMaxBulk, kMaxRespLine) || value.items.size() > 2 * kMaxRespValues)
    std::abort();
  out += std::to_string(static_cast<int>(value.kind)) + '/' + std::to_string(value.number) + '/';
  if (value.items.empty()) out += value.text;
  for (const RespValue& item : value.items) show(item, out);
  out += ';';
}

std::string read(std::string_view bytes, std::size_t step) {
  std::string out;
  RespReader reader(kMaxBulk);
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, step);
    reader.feed(part);
    while (const RespValue* value = reader.next()) show(*value, out);
    bytes.remove_prefix(part.size());
  }
  return reader.malformed() ? out + "bad" : out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = as_text(ByteView(data, size));
  const std::string whole = read(bytes, std::max<std::size_t>(size, 1));
  for (const std::size_t step : {std::size_t{1}, std::size_t{5}}) {
    if (read(bytes, step) != whole) std::abort();
  }
  return 0;
}
