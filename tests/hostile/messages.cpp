// SPDX-License-Identifier: Apache-2.0
#include "messages.hpp"

#include <algorithm>
#include <cstring>

#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/integrity.hpp>
#include <turnstone/stun/message.hpp>

namespace ts::hostile {

namespace {

using A = stun::AttributeType;

constexpr std::uint16_t code(A type) { return static_cast<std::uint16_t>(type); }
Bytes to_bytes(std::string_view text) { return Bytes(text.begin(), text.end()); }
Bytes u32(std::uint32_t value) {
  Bytes out(4);
  store_be32(out.data(), value);
  return out;
}

void append(Bytes& out, const Piece& piece) {
  const std::size_t length =
      piece.declared_length >= 0 ? static_cast<std::size_t>(piece.declared_length) : piece.value.size();
  const std::size_t at = out.size();
  out.resize(at + 4);
  store_be16(&out[at], piece.type);
  store_be16(&out[at + 2], static_cast<std::uint16_t>(length));
  out.insert(out.end(), piece.value.begin(), piece.value.end());
  if (piece.padded) out.resize(stun::padded(out.size()), piece.padding);
}

void set_length(Bytes& out, std::size_t more) {
  store_be16(&out[2], static_cast<std::uint16_t>(out.size() - stun::kHeaderBytes + more));
}

void add_fingerprint(Bytes& out) {
  set_length(out, 8);
  Piece piece;
  piece.type = code(A::Fingerprint);
  piece.value = u32(stun::crc32(out) ^ stun::kFingerprintMask);
  append(out, piece);
}

Bytes long_term(const Account& account, const std::string& realm, const std::string& password, bool sha256) {
  const auto parts = {as_bytes(account.user), as_bytes(":"), as_bytes(realm), as_bytes(":"),
                      as_bytes(password)};
  if (sha256) {
    const auto digest = ts::sha256(parts);
    return Bytes(digest.begin(), digest.end());
  }
  const auto digest = md5(parts);
  return Bytes(digest.begin(), digest.end());
}

}  // namespace

Account::Account(std::string name, const std::string& realm, const std::string& password)
    : user(std::move(name)) {
  const auto hash = ts::sha256({as_bytes(user), as_bytes(":"), as_bytes(realm)});
  userhash.assign(hash.begin(), hash.end());
  const Bytes old = long_term(*this, realm, password, false);
  sha1 = HmacSha1Key(old);
  sha256_md5 = HmacSha256Key(old);
  sha256 = HmacSha256Key(long_term(*this, realm, password, true));
}

Bytes Generator::binding(std::uint64_t id) {
  Bytes out(stun::kHeaderBytes);
  store_be16(out.data(), 0x0001);
  store_be32(&out[4], stun::kMagicCookie);
  store_be64(&out[8], id);
  store_be32(&out[16], 0xBA221E20);
  add_fingerprint(out);
  return out;
}

Bytes Generator::refresh(const Account& account, const Challenge& challenge, std::uint32_t lifetime) {
  Draft d;
  d.type = stun::message_type(stun::MessageClass::Request, stun::Method::Refresh);
  for (auto& b : d.id) b = random_.byte();
  d.pieces = {{code(A::Lifetime), u32(lifetime)},
              {code(A::Username), to_bytes(account.user)},
              {code(A::Realm), to_bytes(target_.realm)},
              {code(A::Nonce), to_bytes(challenge.nonce)}};
  d.signature = Signature::Sha1;
  d.account = static_cast<std::size_t>(&account - target_.accounts.data());
  return write(d);
}

Bytes Generator::next(const Challenge& challenge, bool framed) {
  Bytes out;
  const std::size_t kind = random_.below(100);
  if (kind < 12) {
    out = channel_data();
  } else if (kind < 16 && !framed) {
    out = garbage();
  } else {
    Draft d = draft(challenge);
    out = write(d);
    if (random_.percent(15)) {
      break_bytes(out);
      const bool whole = out.size() >= stun::kHeaderBytes + 8;
      if (whole && random_.percent(50)) set_length(out, 0);
    }
  }
  if (!framed) return out;
  out.resize(std::max<std::size_t>(stun::padded(out.size()), stun::kHeaderBytes));
  if (out[0] >= 0x40 && out[0] < 0x50) {
    store_be16(&out[2], static_cast<std::uint16_t>(out.size() - 4));
  } else {
    out[0] = static_cast<std::uint8_t>(out[0] & (random_.percent(5) ? 0x3F : 0x03));
    set_length(out, 0);
  }
  return out;
}

Generator::Draft Generator::draft(const Challenge& challenge) {
  // Those that a server knows come often, the other methods now and then.
  static constexpr std::uint16_t kMethods[] = {1, 1, 3, 3, 3, 3, 4, 4, 6, 6, 8, 8, 9, 9, 10, 11, 12, 7, 2, 5};
  Draft d;
  const unsigned method =
      random_.percent(4) ? static_cast<unsigned>(random_.below(0x1000)) : random_.pick(kMethods);
  unsigned message_class = method == 6 || method == 7 || method == 12 ? 1 : 0;
  if (random_.percent(5)) message_class = static_cast<unsigned>(random_.below(4));
  d.type =
      stun::message_type(static_cast<stun::MessageClass>(message_class), static_cast<stun::Method>(method));
  for (auto& b : d.id) b = random_.byte();
  if (random_.percent(2)) d.cookie = static_cast<std::uint32_t>(random_.next());
  fill(d, method);
  if (message_class == 0 && method != 1 ? random_.percent(90) : random_.percent(10))
    authenticate(d, challenge);
  d.fingerprint = random_.percent(30);
  if (random_.percent(75)) {
    for (std::size_t n = 1 + random_.below(3); n > 0; --n) break_draft(d);
  }
  return d;
}

void Generator::fill(Draft& d, unsigned method) {
  const auto add = [&](A type) { d.pieces.push_back({code(type), value_of(code(type))}); };
  switch (method) {
    case 3:
      d.pieces.push_back({code(A::RequestedTransport), u32(random_.percent(85) ? 17U << 24 : 6U << 24)});
      if (random_.percent(30)) add(A::Lifetime);
      if (random_.percent(15)) add(A::EvenPort);
      if (random_.percent(15)) add(A::RequestedAddressFamily);
      if (random_.percent(10)) add(A::AdditionalAddressFamily);
      if (random_.percent(10)) add(A::DontFragment);
      if (random_.percent(5)) add(A::ReservationToken);
      if (random_.percent(10)) d.pieces.push_back({code(A::MobilityTicket), {}});
      break;
    case 4:
      d.pieces.push_back({code(A::Lifetime), u32(random_.percent(20) ? 0 : 600)});
      if (random_.percent(10)) add(A::RequestedAddressFamily);
      if (random_.percent(10)) add(A::MobilityTicket);
      break;
    case 6:
      add(A::XorPeerAddress);
      add(A::Data);
      if (random_.percent(20)) add(A::DontFragment);
      break;
    case 8:
      for (std::size_t n = 1 + random_.below(random_.percent(5) ? 60 : 3); n > 0; --n) add(A::XorPeerAddress);
      break;
    case 9:
      add(A::ChannelNumber);
      add(A::XorPeerAddress);
      break;
    case 10: add(A::XorPeerAddress); break;
    case 11: add(A::ConnectionId); break;
    default:
      for (std::size_t n = random_.below(4); n > 0; --n) d.pieces.push_back(any_piece());
  }
}

void Generator::authenticate(Draft& d, const Challenge& challenge) {
  d.account = random_.percent(70) ? 0 : random_.below(target_.accounts.size());
  const Account& account = target_.accounts[d.account];
  if (random_.percent(5)) {
    d.pieces.push_back({code(A::Userhash), account.userhash});
  } else {
    d.pieces.push_back({code(A::Username), to_bytes(account.user)});
  }
  d.pieces.push_back({code(A::Realm), to_bytes(target_.realm)});
  d.pieces.push_back({code(A::Nonce), to_bytes(challenge.nonce)});
  d.signature = Signature::Sha1;
  if (challenge.algorithms.empty() || random_.percent(60)) {
    if (random_.percent(4)) d.signature = Signature::Sha256Md5;
    return;
  }
  // RFC 8489 §9.2.5: the list as it came and the one that we take.
  const bool newer = random_.percent(80);
  d.pieces.push_back({code(A::PasswordAlgorithms), challenge.algorithms});
  d.pieces.push_back({code(A::PasswordAlgorithm), u32(newer ? 2U << 16 : 1U << 16)});
  d.signature = newer ? Signature::Sha256 : Signature::Sha256Md5;
  if (random_.percent(20)) d.digest_bytes = 4 * random_.below(10);
}

Bytes Generator::address(bool xored) {
  static constexpr std::uint8_t kV6[16] = {0x20, 0x01, 0x0D, 0xB8};
  Bytes out;
  Endpoint to = random_.pick(target_.peers);
  if (random_.percent(10)) to.port = static_cast<std::uint16_t>(random_.next());
  if (random_.percent(8)) to.address = IpAddress::from_bytes(random_.bytes(4));
  if (random_.percent(4)) to.address = IpAddress::from_bytes(kV6);
  const ByteView ip = to.address.bytes();
  out = {0, static_cast<std::uint8_t>(to.address.is_v4() ? 1 : 2), 0, 0};
  store_be16(&out[2], to.port);
  out.insert(out.end(), ip.begin(), ip.end());
  if (xored && to.address.is_v4()) {
    store_be16(&out[2], static_cast<std::uint16_t>(to.port ^ 0x2112));
    store_be32(&out[4], load_be32(&out[4]) ^ stun::kMagicCookie);
  }
  return out;
}

/// A value of the right shape.
Bytes Generator::value_of(std::uint16_t type) {
  switch (static_cast<A>(type)) {
    case A::XorPeerAddress:
    case A::XorRelayedAddress:
    case A::XorMappedAddress: return address(true);
    case A::MappedAddress:
    case A::AlternateServer: return address(false);
    case A::ChannelNumber: return u32(static_cast<std::uint32_t>(0x4000 + random_.below(8)) << 16);
    case A::Lifetime: return u32(random_.percent(50) ? 600 : static_cast<std::uint32_t>(random_.next()));
    case A::RequestedAddressFamily:
    case A::AdditionalAddressFamily: return u32(static_cast<std::uint32_t>(1 + random_.below(2)) << 24);
    case A::RequestedTransport: return u32(17U << 24);
    case A::EvenPort: return {static_cast<std::uint8_t>(random_.percent(50) ? 0x80 : 0)};
    case A::ReservationToken: return random_.bytes(8);
    case A::DontFragment:
    case A::UseCandidate: return {};
    case A::Data: return random_.bytes(random_.percent(2) ? random_.below(1400) : random_.below(64));
    case A::MobilityTicket:
    case A::AccessToken: return random_.bytes(random_.below(120));
    case A::Username: return to_bytes(random_.pick(target_.accounts).user);
    default: return random_.bytes(random_.percent(70) ? 4 : random_.below(40));
  }
}

Piece Generator::any_piece() {
  static constexpr std::uint16_t kTypes[] = {
      0x0001, 0x0002, 0x0003, 0x0004, 0x0005, 0x0006, 0x0007, 0x0008, 0x0009, 0x000A, 0x000B, 0x000C, 0x000D,
      0x0010, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016, 0x0017, 0x0018, 0x0019, 0x001A, 0x001B, 0x001C, 0x001D,
      0x001E, 0x0020, 0x0021, 0x0022, 0x0024, 0x0025, 0x0026, 0x0027, 0x002A, 0x0030, 0x8000, 0x8001, 0x8002,
      0x8003, 0x8004, 0x8022, 0x8023, 0x8027, 0x8028, 0x8029, 0x802A, 0x802B, 0x802C, 0x802E, 0x8030, 0xC001};
  Piece out;
  out.type = random_.percent(85) ? random_.pick(kTypes) : static_cast<std::uint16_t>(random_.next());
  out.value = value_of(out.type);
  return out;
}

void Generator::break_piece(Piece& piece) {
  Bytes& value = piece.value;
  switch (random_.below(9)) {
    case 0: value.resize(random_.below(value.size())); break;
    case 1: value.resize(value.size() + 1 + random_.below(8), random_.byte()); break;
    case 2:
      if (!value.empty())
        value[random_.below(value.size())] ^= static_cast<std::uint8_t>(1U << random_.below(8));
      break;
    case 3: piece.declared_length = static_cast<int>(value.size() + random_.below(6)) - 2; break;
    case 4:
      piece.declared_length = random_.percent(50) ? 0xFFFF : static_cast<int>(random_.below(0x10000));
      break;
    case 5: piece.padded = false; break;
    case 6: piece.padding = random_.byte(); break;
    case 7: value = random_.bytes(random_.percent(90) ? random_.below(80) : random_.below(1200)); break;
    default: piece.type = any_piece().type;
  }
}

void Generator::break_draft(Draft& d) {
  const auto at = [&] { return random_.below(d.pieces.size()); };
  const auto offset = [&](std::size_t index) {
    return d.pieces.begin() + static_cast<std::ptrdiff_t>(index);
  };
  switch (random_.below(16)) {
    case 0:
    case 1:
    case 2:
      if (!d.pieces.empty()) break_piece(d.pieces[at()]);
      break;
    case 3: d.pieces.insert(offset(random_.below(d.pieces.size() + 1)), any_piece()); break;
    case 4:
      if (!d.pieces.empty()) d.pieces.erase(offset(at()));
      break;
    case 5:
      if (!d.pieces.empty()) d.pieces.push_back(Piece(d.pieces[at()]));
      break;
    case 6:
      if (!d.pieces.empty()) std::swap(d.pieces[at()], d.pieces[at()]);
      break;
    case 7: d.behind.push_back(any_piece()); break;
    case 8: d.wrong_signature = true; break;
    case 9: d.signature = static_cast<Signature>(random_.below(4)); break;
    case 10: d.length_lie = static_cast<int>(random_.below(9)) - 4; break;
    case 11: d.type = static_cast<std::uint16_t>(d.type ^ (1U << random_.below(16))); break;
    case 12: d.digest_bytes = random_.below(64); break;
    case 13:
      for (std::size_t n = random_.below(250); n > 0; --n) d.pieces.push_back({any_piece().type, {}});
      break;
    case 14: d.behind.push_back({code(A::MessageIntegrity), random_.bytes(20)}); break;
    default: d.cookie ^= static_cast<std::uint32_t>(1U << random_.below(32));
  }
}

void Generator::break_bytes(Bytes& bytes) {
  for (std::size_t n = 1 + random_.below(3); n > 0 && !bytes.empty(); --n) {
    const std::size_t at = random_.below(bytes.size());
    switch (random_.below(4)) {
      case 0: bytes.resize(at); break;
      case 1: bytes[at] = random_.byte(); break;
      case 2: bytes[at] ^= static_cast<std::uint8_t>(1U << random_.below(8)); break;
      default: bytes.resize(bytes.size() + random_.below(16), random_.byte());
    }
  }
}

Bytes Generator::channel_data() {
  const std::size_t size = random_.percent(2) ? random_.below(1400) : random_.below(40);
  Bytes out(4);
  store_be16(out.data(), static_cast<std::uint16_t>(random_.percent(80) ? 0x4000 + random_.below(8)
                                                                        : 0x4000 + random_.below(0x4000)));
  std::size_t length = size;
  if (random_.percent(15)) length = random_.below(0x10000);
  if (random_.percent(10)) length = size + random_.below(6) - std::min<std::size_t>(size, 3);
  store_be16(&out[2], static_cast<std::uint16_t>(length));
  const Bytes data = random_.bytes(size);
  out.insert(out.end(), data.begin(), data.end());
  if (random_.percent(30)) out.resize(stun::padded(out.size()), random_.byte());
  return out;
}

Bytes Generator::garbage() {
  Bytes out = random_.bytes(random_.percent(95) ? random_.below(100) : random_.below(2000));
  if (!out.empty() && random_.percent(60)) out[0] = static_cast<std::uint8_t>(random_.below(80));
  return out;
}

void Generator::sign(Bytes& out, const Draft& d) const {
  const Account& account = target_.accounts[d.account];
  Piece piece;
  if (d.signature == Signature::Sha1) {
    set_length(out, 24);
    const auto mac = account.sha1.sign({ByteView(out)});
    piece.type = code(A::MessageIntegrity);
    piece.value.assign(mac.begin(), mac.end());
  } else {
    piece.type = code(A::MessageIntegritySha256);
    set_length(out, 4 + stun::padded(d.digest_bytes));
    const auto mac =
        (d.signature == Signature::Sha256 ? account.sha256 : account.sha256_md5).sign({ByteView(out)});
    piece.value.assign(mac.begin(), mac.end());
    piece.value.resize(d.digest_bytes);
  }
  if (d.wrong_signature && !piece.value.empty()) piece.value[0] ^= 1;
  append(out, piece);
}

Bytes Generator::write(const Draft& d) const {
  Bytes out(stun::kHeaderBytes);
  store_be16(out.data(), d.type);
  store_be32(&out[4], d.cookie);
  std::copy(d.id.begin(), d.id.end(), out.begin() + 8);
  for (const Piece& piece : d.pieces) append(out, piece);
  if (d.signature != Signature::None) sign(out, d);
  for (const Piece& piece : d.behind) append(out, piece);
  if (d.fingerprint) {
    add_fingerprint(out);
  } else {
    set_length(out, 0);
  }
  if (d.length_lie != 0) {
    store_be16(&out[2], static_cast<std::uint16_t>(load_be16(&out[2]) + d.length_lie));
  }
  return out;
}

}  // namespace ts::hostile
