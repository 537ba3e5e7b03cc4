// SPDX-License-Identifier: Apache-2.0
// WebSocket frames: the same bytes in one piece and in many must read the same, and stay within the limit.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "../../src/net/http/ws_frames.hpp"

namespace {

using namespace ts;
using namespace ts::net;

constexpr std::size_t kMaxBytes = 512;

std::string read(ByteView bytes, std::size_t step) {
  std::string out;
  WsReader reader(kMaxBytes);
  while (!bytes.empty()) {
    const ByteView part = bytes.first(std::min(step, bytes.size()));
    std::vector<std::uint8_t> copy(part.begin(), part.end());
    MutableBytes in(copy);
    for (;;) {
      const WsItem item = reader.next(in);
      if (item.kind == WsItem::Kind::Nothing) break;
      if (item.data.size() > kMaxBytes) std::abort();
      if (item.kind == WsItem::Kind::Text && !is_utf8(item.data)) std::abort();
      out += std::to_string(static_cast<int>(item.kind)) + '/' + std::to_string(item.code) + '/';
      out += std::string(item.data) + ';';
    }
    if (!in.empty()) std::abort();
    bytes = bytes.subspan(part.size());
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const std::string whole = read(bytes, std::max<std::size_t>(size, 1));
  for (const std::size_t step : {std::size_t{1}, std::size_t{5}}) {
    if (read(bytes, step) != whole) std::abort();
  }
  return 0;
}
