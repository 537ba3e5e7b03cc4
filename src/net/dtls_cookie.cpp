// SPDX-License-Identifier: Apache-2.0
#include "dtls_cookie.hpp"

#include <algorithm>

namespace ts::net {

DtlsCookies::DtlsCookies(RandomSource& random)
    : random_(random), current_(random.bytes<32>()), previous_(random.bytes<32>()) {}

void DtlsCookies::rotate(TimePoint now) noexcept {
  if (now < replace_at_) return;
  // After a long silence the previous secret is as old as the current one: neither is good any more.
  const bool long_silent = now >= replace_at_ + kPeriod;
  previous_ = long_silent ? HmacSha256Key(random_.bytes<32>()) : current_;
  current_ = HmacSha256Key(random_.bytes<32>());
  replace_at_ = now + kPeriod;
}

DtlsCookie DtlsCookies::sign(const HmacSha256Key& key, const Endpoint& client,
                             const stun::DtlsClientHello& hello) noexcept {
  std::array<std::uint8_t, 6> extents;
  store_be16(extents.data(), client.port);
  store_be16(extents.data() + 2, static_cast<std::uint16_t>(client.address.bytes().size()));
  store_be16(extents.data() + 4, static_cast<std::uint16_t>(hello.before_cookie.size()));
  const Sha256Digest mac =
      key.sign({extents, client.address.bytes(), hello.before_cookie, hello.after_cookie});
  DtlsCookie out;
  std::copy_n(mac.begin(), out.size(), out.begin());
  return out;
}

DtlsCookie DtlsCookies::make(TimePoint now, const Endpoint& client,
                             const stun::DtlsClientHello& hello) noexcept {
  rotate(now);
  return sign(current_, client, hello);
}

bool DtlsCookies::verify(TimePoint now, const Endpoint& client, const stun::DtlsClientHello& hello) noexcept {
  if (hello.cookie.size() != DtlsCookie{}.size()) return false;
  rotate(now);
  return equal_constant_time(hello.cookie, sign(current_, client, hello)) ||
         equal_constant_time(hello.cookie, sign(previous_, client, hello));
}

}  // namespace ts::net
