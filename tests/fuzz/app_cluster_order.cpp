// SPDX-License-Identifier: Apache-2.0
// Orders of other nodes: what is understood is written as the same order.
#include <cstdlib>
#include <string>

#include <turnstone/base/bytes.hpp>

#include "../../src/app/cluster_orders.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto order = ts::app::revocation_of(ts::as_text(ts::ByteView(data, size)));
  if (!order) return 0;
  const std::string text = ts::app::order_of(*order);
  const auto again = ts::app::revocation_of(text);
  if (!again || ts::app::order_of(*again) != text) std::abort();
  return 0;
}
