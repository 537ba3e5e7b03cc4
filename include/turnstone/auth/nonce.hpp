// SPDX-License-Identifier: Apache-2.0
// Stateless nonces (RFC 8489 §9.2): a time and a MAC over it and the client's transport address. Nobody who
// has not authenticated costs memory. Time is monotonic, so that a clock jump neither revives nor kills a
// nonce.
#pragma once

#include <array>
#include <chrono>
#include <string_view>

#include <turnstone/base/address.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/base/time.hpp>

namespace ts::auth {

/// The text of a nonce.
class Nonce {
 public:
  static constexpr std::size_t kBytes = 32;
  std::string_view text() const noexcept { return {text_.data(), text_.size()}; }

 private:
  friend class NonceMaker;
  std::array<char, kBytes> text_{};
};

/// Makes and checks nonces. All shards of a process share one secret, since a client may move between them.
class NonceMaker {
 public:
  NonceMaker(ByteView secret, std::chrono::seconds lifetime) noexcept : key_(secret), lifetime_(lifetime) {}

  Nonce make(TimePoint now, const Endpoint& client) const noexcept;
  /// True when we made the nonce for this client and it has not expired. False calls for 438 (Stale Nonce).
  bool is_fresh(std::string_view nonce, TimePoint now, const Endpoint& client) const noexcept;

 private:
  Nonce for_second(std::uint32_t second, const Endpoint& client) const noexcept;

  HmacSha256Key key_;
  std::chrono::seconds lifetime_;
};

}  // namespace ts::auth
