// SPDX-License-Identifier: Apache-2.0
// Origins: one that is read has one spelling, no longer than it was, which is read alike.
#include <cstdlib>

#include <turnstone/base/bytes.hpp>
#include <turnstone/base/origin.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto origin = ts::Origin::parse(ts::as_text({data, size}));
  if (!origin) return 0;
  if (origin->text().size() > size) std::abort();
  const auto again = ts::Origin::parse(origin->text());
  if (!again || again->text() != origin->text()) std::abort();
  return 0;
}
