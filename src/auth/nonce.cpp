// SPDX-License-Identifier: Apache-2.0
#include <turnstone/auth/nonce.hpp>

namespace ts::auth {
namespace {

std::uint32_t second_of(TimePoint now) noexcept {
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
}

}  // namespace

Nonce NonceMaker::for_second(std::uint32_t second, const Endpoint& client) const noexcept {
  // 4 bytes of time, then 12 of the MAC, in hexadecimal: 96 bits are out of reach of guessing online.
  std::array<std::uint8_t, 6> head;
  store_be32(head.data(), second);
  store_be16(head.data() + 4, client.port);
  const Sha256Digest mac = key_.sign({head, client.address.bytes()});
  std::array<std::uint8_t, Nonce::kBytes / 2> raw;
  std::memcpy(raw.data(), head.data(), 4);
  std::memcpy(raw.data() + 4, mac.data(), raw.size() - 4);

  static constexpr char kDigits[] = "0123456789abcdef";
  Nonce out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    out.text_[2 * i] = kDigits[raw[i] >> 4];
    out.text_[2 * i + 1] = kDigits[raw[i] & 0xF];
  }
  return out;
}

Nonce NonceMaker::make(TimePoint now, const Endpoint& client) const noexcept {
  return for_second(second_of(now), client);
}

bool NonceMaker::is_fresh(std::string_view nonce, TimePoint now, const Endpoint& client) const noexcept {
  if (nonce.size() != Nonce::kBytes) return false;
  std::uint32_t made = 0;
  for (const char c : nonce.substr(0, 8)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return false;
    made = (made << 4) | static_cast<std::uint32_t>(digit ? c - '0' : c - 'a' + 10);
  }
  if (!equal_constant_time(as_bytes(for_second(made, client).text()), as_bytes(nonce))) return false;
  // Unsigned difference: right across the wrap of 32 bits of seconds.
  return std::chrono::seconds(second_of(now) - made) < lifetime_;
}

}  // namespace ts::auth
