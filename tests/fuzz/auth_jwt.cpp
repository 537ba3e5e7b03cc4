// SPDX-License-Identifier: Apache-2.0
// Tokens as usernames: any bytes are read without harm, and what is read only restricts. The input is a
// username, or else the claims of one with a good header.
#include <cstdlib>
#include <string>

#include <turnstone/auth/jwt.hpp>
#include <turnstone/base/bytes.hpp>

namespace {

using namespace ts;
using namespace ts::auth;

constexpr WallTime kNow{std::chrono::seconds(1'700'000'000)};

void look_at(const std::string& username, std::string_view audience) {
  const auto policy = read_jwt(username, audience, kNow);
  if (!policy) return;
  if (!is_jwt_shaped(username) || username.size() > kMaxJwtUsernameBytes) std::abort();
  const auto expiry = jwt_expiry(username);
  if (!expiry || *expiry <= kNow) std::abort();
  const Policy& p = **policy;
  if (p.room.size() > kMaxPolicyNameBytes || p.member.size() > kMaxPolicyNameBytes) std::abort();
  if (p.max_bits_per_second > kMaxPolicyBitsPerSecond) std::abort();
  for (const IpNetwork& network : p.peers) {
    if (!p.admits_peer(network.address)) std::abort();
  }
  // What was read can be minted again, and is read alike, where a username has room for it.
  const std::string user = p.account.empty() ? std::string() : p.account.substr(1);
  const auto minted = mint_jwt(std::string(32, 'k'), user, p, audience, *expiry);
  if (!minted) return;
  const auto again = read_jwt(minted->username, audience, kNow);
  if (!again || **again != p) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  for (const std::string_view audience : {std::string_view(), std::string_view("turn")}) {
    look_at(std::string(as_text(input)), audience);
    look_at(base64url(as_bytes(R"({"alg":"HS256"})")) + '.' + base64url(input), audience);
  }
  look_at(base64url(input) + '.' + base64url(as_bytes(R"({"exp":1800000000})")), {});
  return 0;
}
