// SPDX-License-Identifier: Apache-2.0
// Access tokens of strangers, and of authorization servers that have the key but not the format: nothing is
// read past an end, and nothing that was not sealed with the key for this server is granted.
#include <algorithm>
#include <cstdlib>

#include <turnstone/auth/access_token.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Bytes = std::vector<std::uint8_t>;
  static const Bytes secret(32, 0x42);
  static const ts::AeadKey key(secret);
  static const ts::auth::AccessTokens tokens = [] {
    ts::auth::Options options;
    options.realm = "example.org";
    options.oauth_keys = {"north:" + ts::base64(secret), "south:" + ts::base64(Bytes(16, 7)) + ":60"};
    return ts::auth::AccessTokens(options);
  }();
  const ts::WallTime now{std::chrono::seconds(1'700'000'000)};
  const ts::ByteView input(data, size);

  // As it is: nobody forges a tag of 128 bits.
  if (tokens.open(input, "north", now) || tokens.open(input, "south", now)) std::abort();
  (void)ts::auth::parse_oauth_key(ts::as_text(input));

  // Sealed as it is: the format inside is a stranger's too.
  const Bytes nonce(12, 1);
  const Bytes sealed = key.seal(nonce, ts::as_bytes("example.org"), input);
  Bytes value{0, 12};
  value.insert(value.end(), nonce.begin(), nonce.end());
  value.insert(value.end(), sealed.begin(), sealed.end());
  const auto grant = tokens.open(value, "north", now);
  if (!grant) return 0;
  const std::size_t key_bytes = grant->mac_key.size();
  if (key_bytes < 20 || key_bytes > 64 || size != 2 + key_bytes + 12) std::abort();
  if (grant->remaining.count() <= 0) std::abort();
  // What was granted is what stands there.
  if (!std::equal(grant->mac_key.begin(), grant->mac_key.end(), data + 2)) std::abort();
  return 0;
}
