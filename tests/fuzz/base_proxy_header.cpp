// SPDX-License-Identifier: Apache-2.0
// PROXY headers: what is read depends on the header's bytes alone, and every cut of it asks for more.
#include <cstdlib>

#include <turnstone/base/proxy_header.hpp>

namespace {

using namespace ts;

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const auto parsed = parse_proxy_header(bytes);
  if (!parsed) {
    check(size != 0);
    return 0;
  }
  if (!parsed->has_value()) {
    check(size < kMaxProxyHeaderBytes);
    return 0;
  }
  const ProxyHeader& header = **parsed;
  check(header.bytes >= 15 && header.bytes <= size && header.bytes <= kMaxProxyHeaderBytes);
  if (header.endpoints)
    check(header.endpoints->client.address.family() == header.endpoints->server.address.family());
  const auto alone = parse_proxy_header(bytes.first(header.bytes));
  check(alone.has_value() && alone->has_value() && (*alone)->bytes == header.bytes &&
        (*alone)->endpoints == header.endpoints);
  for (std::size_t cut = 0; cut < header.bytes; ++cut) {
    const auto part = parse_proxy_header(bytes.first(cut));
    check(part.has_value() && !part->has_value());
  }
  return 0;
}
