// SPDX-License-Identifier: Apache-2.0
// Whole tokens and key files: any bytes are read without harm, and nothing is believed that is not signed.
// The input is a token, the claims of a signed one, its header, and a file of keys.
#include <cstdlib>
#include <string>

#include <turnstone/auth/jwt_keys.hpp>
#include <turnstone/auth/options.hpp>
#include <turnstone/base/bytes.hpp>

namespace {

using namespace ts;
using namespace ts::auth;

constexpr WallTime kNow{std::chrono::seconds(1'700'000'000)};
const std::string kSecret(kMinJwtSecretBytes, 's');

std::string sign(const std::string& text) {
  return text + '.' + base64url(HmacSha256Key(as_bytes(kSecret)).sign({as_bytes(text)}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  JwtKeys keys;
  keys.add_secret(kSecret);
  if (read_token(as_text(input), keys, {}, kNow)) std::abort();  // nobody guesses a signature
  const std::string claims = base64url(as_bytes(R"({"alg":"HS256"})")) + '.' + base64url(input);
  const auto read = read_token(sign(claims), keys, {}, kNow);
  if (read && (read->expires <= kNow || read->subject.size() > 256)) std::abort();
  const std::string header = base64url(input) + '.' + base64url(as_bytes(R"({"exp":1800000000})"));
  static_cast<void>(read_token(sign(header), keys, {"us", "id"}, kNow));
  JwtKeys file;
  if (file.add(as_text(input)) && file.size() > kMaxKeys) std::abort();
  static_cast<void>(read_token(sign(claims), file, {}, kNow));
  return 0;
}
