// SPDX-License-Identifier: Apache-2.0
// What a probe reads: URLs, and what a server answers to it, HTTP heads, WebSocket frames, texts for a
// terminal.
#include <algorithm>
#include <cstdlib>

#include "../../src/app/probe/text.hpp"
#include "../../src/app/probe/url.hpp"
#include "../../src/app/probe/web_codec.hpp"

namespace {

using namespace ts::app::probe;

void require(bool holds) {
  if (!holds) std::abort();
}

void frames(ts::ByteView bytes) {
  for (int i = 0; i < 100; ++i) {
    const auto frame = parse_frame(bytes);
    if (!frame || !*frame) return;
    require((*frame)->consumed_bytes > 0 && (*frame)->consumed_bytes <= bytes.size());
    require((*frame)->payload.size() < (*frame)->consumed_bytes);
    bytes = bytes.subspan((*frame)->consumed_bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ts::ByteView bytes(data, size);
  const std::string_view text = ts::as_text(bytes);
  if (const auto url = parse_url(text)) {
    require(!url->host.empty() && !url->authority().empty());
  }
  redacted(text);
  if (const auto head = parse_http_head(text); head && *head) {
    require((*head)->bytes <= size && (*head)->status <= 999);
    (*head)->field("content-length");
  }
  if (const auto chunks = join_chunks(text)) require(chunks->body.size() <= size);
  frames(bytes);
  const std::string safe = printable(text, 64);
  require(std::none_of(safe.begin(), safe.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }));
  trimmed(text);
  columns(text);
  return 0;
}
