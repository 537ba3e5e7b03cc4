// SPDX-License-Identifier: Apache-2.0
// URLs of Redis: what is read has a host and a port, and names nobody.
#include <cstdlib>

#include <turnstone/base/bytes.hpp>
#include <turnstone/base/redis_url.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto url = ts::RedisUrl::parse(ts::as_text(ts::ByteView(data, size)));
  if (url && (url->host.empty() || url->host.find('@') != std::string::npos)) std::abort();
  return 0;
}
