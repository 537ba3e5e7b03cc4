// SPDX-License-Identifier: Apache-2.0
// Messages that know the protocol and the passwords, and break its rules: most are right up to a few changes,
// and most are signed after the change, so that the server has to look at it.
#pragma once

#include <array>
#include <string>
#include <vector>

#include <turnstone/base/address.hpp>
#include <turnstone/base/hash.hpp>

#include "random.hpp"

namespace ts::hostile {

/// A user whose password we know, and the keys made of it.
struct Account {
  Account(std::string user, const std::string& realm, const std::string& password);
  std::string user;
  Bytes userhash;
  HmacSha1Key sha1;          // of the MD5 key
  HmacSha256Key sha256_md5;  // of the MD5 key
  HmacSha256Key sha256;      // of the SHA-256 key
};

/// What the storm knows about the server.
struct Target {
  std::string realm;
  std::vector<Account> accounts;
  std::vector<Endpoint> peers;
};

/// What the last challenge on a five-tuple said.
struct Challenge {
  std::string nonce;
  Bytes algorithms;
};

/// One attribute, with the lies about it.
struct Piece {
  std::uint16_t type = 0;
  Bytes value;
  int declared_length = -1;
  bool padded = true;
  std::uint8_t padding = 0;
};

class Generator {
 public:
  Generator(const Target& target, std::uint64_t seed) : target_(target), random_(seed) {}

  /// The next message. `framed`: on a stream it is found by its length, whatever else is wrong with it.
  Bytes next(const Challenge& challenge, bool framed);
  /// A right Binding request with this transaction id.
  static Bytes binding(std::uint64_t id);
  /// A right request of an account; `lifetime` for Refresh.
  Bytes refresh(const Account& account, const Challenge& challenge, std::uint32_t lifetime);
  Random& random() { return random_; }

 private:
  enum class Signature : std::uint8_t { None, Sha1, Sha256Md5, Sha256 };
  struct Draft {
    std::uint16_t type = 0;
    std::uint32_t cookie = 0x2112A442;
    std::array<std::uint8_t, 12> id{};
    std::vector<Piece> pieces;
    std::vector<Piece> behind;  // behind the integrity
    Signature signature = Signature::None;
    std::size_t account = 0;
    std::size_t digest_bytes = 32;
    bool wrong_signature = false;
    bool fingerprint = false;
    int length_lie = 0;
  };

  Draft draft(const Challenge& challenge);
  void fill(Draft& d, unsigned method);
  void authenticate(Draft& d, const Challenge& challenge);
  Piece any_piece();
  Bytes value_of(std::uint16_t type);
  Bytes address(bool xored);
  void break_draft(Draft& d);
  void break_piece(Piece& piece);
  void break_bytes(Bytes& bytes);
  Bytes channel_data();
  Bytes garbage();
  Bytes write(const Draft& d) const;
  void sign(Bytes& out, const Draft& d) const;

  const Target& target_;
  Random random_;
};

}  // namespace ts::hostile
