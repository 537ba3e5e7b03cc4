// SPDX-License-Identifier: Apache-2.0
// URLs: what is read can be written into a request without ending a line of it, and is read alike again.
#include <algorithm>
#include <cstdlib>

#include <turnstone/base/bytes.hpp>
#include <turnstone/base/http_url.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto url = ts::HttpUrl::parse(ts::as_text({data, size}));
  if (!url) return 0;
  const std::string whole = (url->tls ? "https://" : "http://") + url->authority() + url->target;
  if (!std::all_of(whole.begin(), whole.end(), [](char c) { return c > ' ' && c < 0x7F; })) std::abort();
  const auto again = ts::HttpUrl::parse(whole);
  // One character longer than what was read, it may be too long.
  if (!again && whole.size() <= 2048) std::abort();
  if (again && (again->host != url->host || again->port != url->port || again->target != url->target ||
                again->tls != url->tls)) {
    std::abort();
  }
  return 0;
}
