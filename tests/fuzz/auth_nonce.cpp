// SPDX-License-Identifier: Apache-2.0
// Nonces of strangers: only what the maker made for this client is fresh, and only within its life.
#include <cstdlib>
#include <string>

#include <turnstone/auth/nonce.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ts::auth::NonceMaker;
  static const NonceMaker maker(ts::as_bytes("a secret"), std::chrono::seconds(600));
  ts::ByteReader in({data, size});
  const ts::TimePoint now{std::chrono::nanoseconds(in.u64() >> 1)};
  const std::uint16_t port = in.u16();
  const ts::IpAddress address = ts::IpAddress::from_bytes(in.bytes(in.u8() % 2 == 0 ? 4 : 16));
  const ts::Endpoint client{address, port};
  const std::string_view text = ts::as_text(in.bytes(in.remaining()));

  const ts::auth::Nonce own = maker.make(now, client);
  if (!maker.is_fresh(own.text(), now, client)) std::abort();
  if (maker.is_fresh(text, now, client)) {
    // Nobody guesses 42 bits: a fresh text is one that we made within the last ten minutes.
    bool ours = false;
    for (int age = 0; age < 600 && !ours; ++age) {
      ours = maker.make(now - std::chrono::seconds(age), client).text() == text;
    }
    if (!ours) std::abort();
  }
  std::string mutant(own.text());
  for (const char c : text.substr(0, 4)) {
    const std::size_t at = static_cast<unsigned char>(c) % mutant.size();
    mutant[at] = static_cast<char>(mutant[at] + 1);
  }
  if (mutant != own.text() && maker.is_fresh(mutant, now, client)) std::abort();
  return 0;
}
