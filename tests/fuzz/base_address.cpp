// SPDX-License-Identifier: Apache-2.0
// Addresses, endpoints and networks as text: what is read is read again from what is printed.
#include <cstdlib>
#include <string>

#include <turnstone/base/address.hpp>
#include <turnstone/base/hash.hpp>

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = ts::as_text({data, size});
  if (const auto address = ts::IpAddress::parse(text)) {
    require(ts::IpAddress::parse(address->to_string()) == address);
    require(ts::IpAddress::from_bytes(address->bytes()) == *address);
  }
  if (const auto endpoint = ts::Endpoint::parse(text)) {
    require(ts::Endpoint::parse(endpoint->to_string()) == endpoint);
  }
  if (const auto network = ts::IpNetwork::parse(text)) {
    require(ts::IpNetwork::parse(network->to_string()).has_value());
  }
  if (const auto decoded = ts::base64_decode(text)) {
    require(decoded->size() <= size);
    require(ts::base64_decode(ts::base64(ts::as_bytes(*decoded))) == decoded);
    require(ts::base64_decode(ts::base64url(ts::as_bytes(*decoded))) == decoded);
  }
  return 0;
}
