// SPDX-License-Identifier: Apache-2.0
// A stream in any chunks: the first four bytes seed the chunk sizes, the rest is the stream. The frames, and
// whether the stream is refused, are those of the whole stream at once.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include <turnstone/stun/demux.hpp>
#include <turnstone/stun/framer.hpp>

namespace {

using namespace ts;
using namespace ts::stun;

void check(bool holds) {
  if (!holds) std::abort();
}

/// Frames by their offset and size in the stream; `refused` at the offset where no frame can begin.
struct Frames {
  std::vector<std::pair<std::size_t, std::size_t>> list;
  bool refused = false;
  std::size_t consumed = 0;

  friend bool operator==(const Frames&, const Frames&) = default;
};

/// Takes all frames of `stream` up to `end`, asking with a buffer of exactly what has come.
void take(ByteView stream, std::size_t end, Frames& out) {
  while (!out.refused) {
    const std::size_t held = end - out.consumed;
    const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[held]);
    std::copy_n(stream.data() + out.consumed, held, exact.get());
    const auto frame = next_frame({exact.get(), held});
    if (frame.has_error()) {
      out.refused = true;
      return;
    }
    if (!frame->has_value()) {
      check(held < kMaxFrameBytes);
      return;
    }
    const Frame& found = **frame;
    check(found.message.data() == exact.get() && found.message.size() >= 4);
    check(found.consumed_bytes >= found.message.size() && found.consumed_bytes < found.message.size() + 4);
    check(found.consumed_bytes <= held && found.consumed_bytes <= kMaxFrameBytes);
    check(found.consumed_bytes % 4 == 0);
    out.list.emplace_back(out.consumed, found.message.size());
    out.consumed += found.consumed_bytes;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4 || size > 4'096) return 0;
  std::uint32_t seed = load_be32(data) | 1;
  const ByteView stream(data + 4, size - 4);
  Frames whole;
  take(stream, stream.size(), whole);
  Frames chunked;
  for (std::size_t end = 0; end < stream.size();) {
    seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
    const std::size_t chunk = 1 + seed % ((data[0] & 1) != 0 ? 7 : 200);
    end = std::min(stream.size(), end + chunk);
    take(stream, end, chunked);
  }
  check(whole == chunked);
  return 0;
}
