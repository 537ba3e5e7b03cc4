// SPDX-License-Identifier: Apache-2.0
// Usernames with a signature that is right for them, as one makes it who knows the shared secret: only those
// with an expiry in the future are let in, whatever else stands in them.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "../machine/harness.hpp"

namespace {

using namespace ts;
using namespace ts::turn;
using namespace ts::turn::testing;

/// The digits in front of a colon or the end, without leading zeros; nothing when there are none or others.
std::optional<std::string_view> expiry_of(std::string_view username) {
  const std::string_view digits = username.substr(0, username.find(':'));
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  return digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
}

/// Later, by text alone.
bool is_after(std::string_view digits, std::int64_t now) {
  const std::string limit = std::to_string(now);
  return digits.size() != limit.size() ? digits.size() > limit.size() : digits > limit;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string username(as_text(ByteView(data, std::min<std::size_t>(size, 763))));
  World world;
  const auto mac = HmacSha1Key(as_bytes("north")).sign({as_bytes(username)});
  Client client(world, "192.12.0.1:1", Transport::Udp, username, base64(ByteView(mac)));
  const bool in = client.allocate().code() == 0;
  const auto expiry = expiry_of(username);
  const bool may = expiry && is_after(*expiry, world.now.wall.time_since_epoch().count());
  // What is tens of thousands of years away may be refused, and so may a policy, and what is not plain text.
  const bool plain =
      std::all_of(username.begin(), username.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
  const bool must = may && expiry->size() <= 12 && plain && username.find(";ts1;") == std::string::npos;
  if ((in && !may) || (!in && must)) {
    std::fprintf(stderr, "broken: %s is %slet in\n", username.c_str(), in ? "" : "not ");
    std::abort();
  }
  return 0;
}
