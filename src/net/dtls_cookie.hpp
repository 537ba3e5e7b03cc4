// SPDX-License-Identifier: Apache-2.0
// DtlsCookies: RFC 6347 §4.2.1's stateless cookie: HMAC(secret, client address and port, client parameters).
// The secret is replaced as time goes on, and the one before it is good for as long again. One thread.
#pragma once

#include <array>

#include <turnstone/base/address.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/base/random.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/stun/dtls.hpp>

namespace ts::net {

using DtlsCookie = std::array<std::uint8_t, 16>;

class DtlsCookies {
 public:
  explicit DtlsCookies(RandomSource& random);

  /// The cookie for a ClientHello of `client`.
  DtlsCookie make(TimePoint now, const Endpoint& client, const stun::DtlsClientHello& hello) noexcept;
  /// True when the ClientHello carries its cookie, made at most two periods ago.
  bool verify(TimePoint now, const Endpoint& client, const stun::DtlsClientHello& hello) noexcept;

  static constexpr std::chrono::seconds kPeriod{60};

 private:
  static DtlsCookie sign(const HmacSha256Key& key, const Endpoint& client,
                         const stun::DtlsClientHello& hello) noexcept;
  void rotate(TimePoint now) noexcept;

  RandomSource& random_;
  HmacSha256Key current_;
  HmacSha256Key previous_;
  TimePoint replace_at_{};
};

}  // namespace ts::net
