// SPDX-License-Identifier: Apache-2.0
// Candidates in texts of members: no more than asked for, each once, and nothing that leads nowhere.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include <turnstone/base/bytes.hpp>
#include <turnstone/signal/candidates.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ts;
  const std::string_view text = as_text({data, size});
  std::vector<IpAddress> all;
  signal::read_candidates(text, signal::kMaxAnnounced, all);
  if (all.size() > signal::kMaxAnnounced) std::abort();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].is_unspecified() || all[i].unmapped() != all[i]) std::abort();
    if (std::count(all.begin(), all.end(), all[i]) != 1) std::abort();
  }
  std::vector<IpAddress> few;
  signal::read_candidates(text, 1, few);
  if (few.size() != std::min<std::size_t>(all.size(), 1)) std::abort();
  if (!few.empty() && few[0] != all[0]) std::abort();
  const std::size_t before = all.size();
  signal::read_candidates(text, signal::kMaxAnnounced, all);
  if (all.size() != before) std::abort();
  return 0;
}
