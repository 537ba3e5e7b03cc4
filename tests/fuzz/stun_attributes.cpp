// SPDX-License-Identifier: Apache-2.0
// Every decoder of an attribute's value, on values of every shape: what is decoded comes out again when it is
// built.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/builder.hpp>

namespace {

using namespace ts;
using namespace ts::stun;

void require(bool holds) {
  if (!holds) std::abort();
}

/// The value that `add` writes.
template <class F>
std::vector<std::uint8_t> built(const TransactionId& id, F&& add) {
  std::vector<std::uint8_t> out(2048);
  MessageBuilder builder(out, MessageClass::Request, Method::Binding, id);
  add(builder);
  const ByteView message = builder.finish();
  require(message.size() >= kHeaderBytes + kAttributeHeaderBytes);
  const std::size_t size = load_be16(&message[kHeaderBytes + 2]);
  const ByteView value = message.subspan(kHeaderBytes + kAttributeHeaderBytes, size);
  return {value.begin(), value.end()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  TransactionId id{};
  const std::size_t used = std::min(size, id.size());
  std::copy_n(data, used, id.begin());
  const ByteView value(data + used, size - used);

  if (const auto clear = decode_address(value)) {
    const auto again = built(id, [&](auto& b) { b.add_address(AttributeType::MappedAddress, *clear); });
    require(again.size() == value.size() && std::equal(again.begin() + 1, again.end(), value.begin() + 1));
  }
  if (const auto masked = decode_xor_address(value, id)) {
    const auto again = built(id, [&](auto& b) { b.add_xor_address(AttributeType::XorPeerAddress, *masked); });
    require(again.size() == value.size() && std::equal(again.begin() + 1, again.end(), value.begin() + 1));
  }
  if (const auto error = decode_error_code(value)) {
    require(error->code >= 300 && error->code < 700);
    require(error->reason.size() == value.size() - 4);
  }
  require(decode_u32(value).has_value() == (value.size() == 4));
  if (const auto channel = decode_channel_number(value)) require(*channel == load_be16(value.data()));
  if (const auto transport = decode_requested_transport(value)) require(*transport == value[0]);
  if (const auto family = decode_address_family(value)) require(*family == value[0]);
  return 0;
}
