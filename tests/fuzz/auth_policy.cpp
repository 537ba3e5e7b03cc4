// SPDX-License-Identifier: Apache-2.0
// Policies in usernames: what is read can be written and read again alike, and only restricts.
#include <cstdlib>
#include <string>

#include <turnstone/auth/policy.hpp>
#include <turnstone/base/bytes.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ts::auth;
  const std::string_view username = ts::as_text({data, size});
  const SplitUsername split = split_username(username);
  if (split.name.find(kPolicyMarker) != std::string_view::npos) std::abort();
  if (!split.policy) return 0;
  if (std::string(split.name).append(kPolicyMarker).append(*split.policy) != username) std::abort();

  const auto policy = parse_policy(*split.policy);
  if (!policy) return 0;
  if (policy->empty()) std::abort();
  if (policy->room.size() > kMaxPolicyNameBytes || policy->member.size() > kMaxPolicyNameBytes) std::abort();
  if (policy->max_bits_per_second > kMaxPolicyBitsPerSecond) std::abort();
  const std::string text = format_policy(*policy);
  if (parse_policy(std::string_view(text).substr(kPolicyMarker.size())) != policy) std::abort();
  for (const ts::IpNetwork& network : policy->clients) {
    if (!network.address.unmapped().is_v6() && network.address.is_v6()) continue;
    if (!policy->admits_client(network.address)) std::abort();
  }
  for (const ts::IpNetwork& network : policy->peers) {
    if (!policy->admits_peer(network.address)) std::abort();
  }
  return 0;
}
