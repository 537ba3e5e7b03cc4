// SPDX-License-Identifier: Apache-2.0
#include "answers.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include <turnstone/stun/integrity.hpp>

namespace ts::hostile {

namespace {

using A = stun::AttributeType;

struct Found {
  std::uint16_t type;
  std::size_t at;
  ByteView value;
};

/// RFC 8489 §14: extents and zero padding. False: they do not fit.
bool walk(ByteView bytes, std::vector<Found>& out) {
  std::size_t at = 20;
  while (at < bytes.size()) {
    if (bytes.size() - at < 4) return false;
    const std::size_t length = load_be16(&bytes[at + 2]);
    const std::size_t whole = 4 + ((length + 3) & ~std::size_t{3});
    if (bytes.size() - at < whole) return false;
    for (std::size_t i = at + 4 + length; i < at + whole; ++i) {
      if (bytes[i] != 0) return false;
    }
    out.push_back({load_be16(&bytes[at]), at, bytes.subspan(at + 4, length)});
    at += whole;
  }
  return true;
}

const Found* find(const std::vector<Found>& all, A type) {
  const auto at = std::find_if(all.begin(), all.end(),
                               [&](const Found& f) { return f.type == static_cast<std::uint16_t>(type); });
  return at != all.end() ? &*at : nullptr;
}

bool has(const std::vector<Found>& all, A type) { return find(all, type) != nullptr; }

std::string wrong_fingerprint(ByteView bytes, const std::vector<Found>& all) {
  const Found* found = find(all, A::Fingerprint);
  if (found == nullptr) return {};
  if (found != &all.back() || found->value.size() != 4) return "FINGERPRINT is not last or not of 4 bytes";
  const std::uint32_t crc = stun::crc32(bytes.first(found->at)) ^ stun::kFingerprintMask;
  return crc == load_be32(found->value.data()) ? std::string() : "FINGERPRINT is wrong";
}

/// Only XOR-RELAYED-ADDRESS and ALTERNATE-SERVER may stand twice.
std::string duplicates(const std::vector<Found>& all) {
  std::set<std::uint16_t> seen;
  for (const Found& f : all) {
    if (f.type == static_cast<std::uint16_t>(A::XorRelayedAddress)) continue;
    if (f.type == static_cast<std::uint16_t>(A::AlternateServer)) continue;
    if (!seen.insert(f.type).second) return "attribute " + std::to_string(f.type) + " stands twice";
  }
  return {};
}

bool signed_by_one_of(ByteView bytes, const std::vector<Found>& all, const Target& target) {
  const auto holds = [&](const Found* found, const auto& key) {
    if (found == nullptr) return false;
    Bytes covered(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(found->at));
    store_be16(&covered[2], static_cast<std::uint16_t>(found->at + 4 + found->value.size() - 20));
    const auto mac = key.sign({ByteView(covered)});
    return found->value.size() <= mac.size() &&
           std::equal(found->value.begin(), found->value.end(), mac.begin());
  };
  const Found* sha1 = find(all, A::MessageIntegrity);
  const Found* sha256 = find(all, A::MessageIntegritySha256);
  return std::any_of(target.accounts.begin(), target.accounts.end(), [&](const Account& account) {
    return holds(sha1, account.sha1) || holds(sha256, account.sha256) || holds(sha256, account.sha256_md5);
  });
}

std::string wrong_error(const std::vector<Found>& all, Answer& out) {
  const Found* error = find(all, A::ErrorCode);
  if (error == nullptr || error->value.size() < 4) return "an error response without ERROR-CODE";
  const unsigned hundreds = error->value[2];
  const unsigned number = error->value[3];
  if (load_be16(error->value.data()) != 0 || hundreds < 3 || hundreds > 6 || number > 99)
    return "ERROR-CODE is not 300 to 699";
  if (error->value.size() > 4 + 509) return "the reason phrase is too long";
  out.error = static_cast<int>(hundreds * 100 + number);
  if (out.error == 420 && !has(all, A::UnknownAttributes)) return "420 without UNKNOWN-ATTRIBUTES";
  if (out.error == 300 && !has(all, A::AlternateServer)) return "300 without ALTERNATE-SERVER";
  if (out.error == 401 || out.error == 438) {
    const Found* nonce = find(all, A::Nonce);
    if (nonce == nullptr || !has(all, A::Realm)) return "a challenge without REALM and NONCE";
    out.challenge.nonce.assign(nonce->value.begin(), nonce->value.end());
    if (const Found* list = find(all, A::PasswordAlgorithms)) {
      out.challenge.algorithms.assign(list->value.begin(), list->value.end());
    }
  }
  return {};
}

std::string wrong_body(ByteView bytes, const std::vector<Found>& all, const Target& target, Answer& out) {
  if (std::string wrong = wrong_fingerprint(bytes, all); !wrong.empty()) return wrong;
  if (std::string wrong = duplicates(all); !wrong.empty()) return wrong;
  const unsigned type = load_be16(bytes.data());
  const unsigned message_class = ((type >> 7) & 2) | ((type >> 4) & 1);
  out.method = (type & 0xF) | ((type >> 1) & 0x70) | ((type >> 2) & 0xF80);
  if (message_class == 0) return "a request from the server";
  if (has(all, A::Username) || has(all, A::Userhash)) return "USERNAME or USERHASH from the server";
  if (message_class == 3) return wrong_error(all, out);
  out.indication = message_class == 1;
  out.success = !out.indication;
  if (out.indication) {
    if (out.method == 12) return {};
    if (out.method != 7) return "an indication that is neither Data nor ConnectionAttempt";
    if (!has(all, A::XorPeerAddress)) return "a Data indication without a peer";
    return has(all, A::Data) != has(all, A::Icmp) ? std::string() : "a Data indication without DATA or ICMP";
  }
  if (has(all, A::ErrorCode)) return "ERROR-CODE in a success response";
  if (out.method == 1) {
    return has(all, A::XorMappedAddress) || has(all, A::MappedAddress) ? std::string() : "no mapped address";
  }
  return signed_by_one_of(bytes, all, target) ? std::string() : "a success response that nobody's key signs";
}

}  // namespace

Answer read_answer(ByteView bytes, const Target& target, bool stream) {
  Answer out;
  if (bytes.size() >= 4 && bytes[0] >= 0x40 && bytes[0] <= 0x4F) {
    out.channel_data = true;
    const std::size_t whole = 4 + std::size_t{load_be16(&bytes[2])};
    const bool fits = stream ? bytes.size() == ((whole + 3) & ~std::size_t{3}) : bytes.size() >= whole;
    if (!fits || bytes.size() > whole + 3) out.wrong = "ChannelData whose length is wrong";
    return out;
  }
  std::vector<Found> all;
  if (bytes.size() < 20 || (bytes[0] & 0xC0) != 0) {
    out.wrong = "no STUN message";
  } else if (std::size_t{load_be16(&bytes[2])} + 20 != bytes.size() || bytes.size() % 4 != 0) {
    out.wrong = "the length field is wrong";
  } else if (!walk(bytes, all)) {
    out.wrong = "an attribute's extent or padding is wrong";
  } else {
    std::copy_n(bytes.begin() + 4, 16, out.id.begin());
    out.wrong = wrong_body(bytes, all, target, out);
  }
  return out;
}

std::ptrdiff_t frame_size(ByteView bytes) {
  if (bytes.size() < 4) return 0;
  const std::size_t length = load_be16(&bytes[2]);
  const bool channel = bytes[0] >= 0x40 && bytes[0] <= 0x7F;
  if (!channel && bytes[0] > 3) return -1;
  const std::size_t whole = channel ? 4 + ((length + 3) & ~std::size_t{3}) : 20 + length;
  return bytes.size() < whole ? 0 : static_cast<std::ptrdiff_t>(whole);
}

std::string hex_of(ByteView bytes) {
  std::string out;
  static constexpr char kDigits[] = "0123456789abcdef";
  for (const std::uint8_t b : bytes) {
    out += kDigits[b >> 4];
    out += kDigits[b & 15];
  }
  return out;
}

}  // namespace ts::hostile
