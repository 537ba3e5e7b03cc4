// SPDX-License-Identifier: Apache-2.0
#include <turnstone/base/hash.hpp>
#include <turnstone/base/webhook_signature.hpp>

namespace ts {
namespace {

constexpr std::string_view kPrefix = "whsec_";
constexpr std::size_t kMinKeyBytes = 24;
constexpr std::size_t kMaxKeyBytes = 64;

}  // namespace

std::optional<std::string> webhook_key(std::string_view secret) {
  if (secret.starts_with(kPrefix)) secret.remove_prefix(kPrefix.size());
  auto key = base64_decode(secret);
  if (key && (key->size() < kMinKeyBytes || key->size() > kMaxKeyBytes)) key.reset();
  return key;
}

std::string webhook_signature(std::string_view key, std::string_view id, WallTime time,
                              std::string_view body) {
  const std::string seconds = std::to_string(time.time_since_epoch().count());
  const Sha256Digest mac =
      HmacSha256Key(as_bytes(key))
          .sign({as_bytes(id), as_bytes("."), as_bytes(seconds), as_bytes("."), as_bytes(body)});
  return "v1," + base64(mac);
}

}  // namespace ts
