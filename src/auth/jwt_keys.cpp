// SPDX-License-Identifier: Apache-2.0
// Keys of tokens: PEM and JWK Sets (RFC 7517), which the operator provides.
#include <algorithm>

#include <turnstone/auth/jwt_keys.hpp>
#include <turnstone/auth/options.hpp>

#include "jwt_parts.hpp"
#include "policy_json.hpp"

namespace ts::auth {
namespace {

using nlohmann::json;

constexpr std::string_view kBegin = "-----BEGIN PUBLIC KEY-----";
constexpr std::string_view kEnd = "-----END PUBLIC KEY-----";

std::string text_or_empty(const json& object, const char* name) {
  const std::string* text = text_of(member(object, name));
  return text == nullptr ? std::string() : *text;
}

/// The bytes of a member in base64url; empty when it is not that.
std::string bytes_of(const json& key, const char* name) {
  return base64_decode(text_or_empty(key, name)).value_or(std::string());
}

/// RFC 7517 §4.2 and §4.3: what a key is not for, it must not be used for.
bool is_for_signatures(const json& key) {
  const std::string use = text_or_empty(key, "use");
  if (!use.empty() && use != "sig") return false;
  const json* operations = member(key, "key_ops");
  return operations == nullptr ||
         (operations->is_array() && std::any_of(operations->begin(), operations->end(), [](const json& each) {
            const std::string* text = text_of(&each);
            return text != nullptr && *text == "verify";
          }));
}

/// A public key of a kind that we know; nothing: of another kind.
std::optional<Result<VerifyKey, std::string_view>> public_key(const json& key) {
  const std::string type = text_or_empty(key, "kty");
  const std::string curve = text_or_empty(key, "crv");
  const std::string algorithm = text_or_empty(key, "alg");
  const auto may_be = [&](std::string_view name) { return algorithm.empty() || algorithm == name; };
  if (type == "RSA" && may_be("RS256")) {
    return VerifyKey::rsa(as_bytes(bytes_of(key, "n")), as_bytes(bytes_of(key, "e")));
  }
  if (type == "EC" && curve == "P-256" && may_be("ES256")) {
    return VerifyKey::p256(as_bytes(bytes_of(key, "x")), as_bytes(bytes_of(key, "y")));
  }
  if (type == "OKP" && curve == "Ed25519" && (may_be("EdDSA") || may_be("Ed25519"))) {
    return VerifyKey::ed25519(as_bytes(bytes_of(key, "x")));
  }
  return std::nullopt;
}

constexpr std::string_view name_of(VerifyKey::Kind kind) noexcept {
  switch (kind) {
    case VerifyKey::Kind::Rsa: return "RS256";
    case VerifyKey::Kind::P256: return "ES256";
    case VerifyKey::Kind::Ed25519: return "EdDSA";
  }
  return {};
}

/// RFC 7515 §4.1.4: a hint. A key without a name, or a header without one, may be any.
bool may_mean(std::string_view header, std::string_view key) noexcept {
  return header.empty() || key.empty() || header == key;
}

}  // namespace

void JwtKeys::add_secret(std::string_view secret) {
  if (secret.size() >= kMinJwtSecretBytes) secrets_.push_back(Secret{{}, HmacSha256Key(as_bytes(secret))});
}

Result<std::size_t, std::string> JwtKeys::add(std::string_view text) {
  if (text.size() > kMaxKeyFileBytes) return std::string("more than 256 KiB");
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return std::string("nothing in it");
  auto added = text[first] == '{' ? add_jwks(text) : add_pem(text);
  if (added && *added == 0) return std::string("no RSA, P-256 or Ed25519 key for signatures in it");
  if (added && size() > kMaxKeys) return std::string("more than 64 keys");
  return added;
}

Result<std::size_t, std::string> JwtKeys::add_pem(std::string_view text) {
  if (text.find("PRIVATE KEY-----") != std::string_view::npos)
    return std::string("a private key; this server needs the public one alone");
  std::size_t count = 0;
  for (std::size_t at = text.find(kBegin); at != std::string_view::npos; at = text.find(kBegin, at)) {
    at += kBegin.size();
    const std::size_t end = text.find(kEnd, at);
    if (end == std::string_view::npos) return std::string("PEM without an end");
    std::string body(text.substr(at, end - at));
    std::erase_if(body, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
    const auto der = base64_decode(body);
    if (!der) return std::string("PEM that is not base64");
    auto key = VerifyKey::from_der(as_bytes(*der));
    if (!key) return std::string(key.error());
    public_.push_back(Public{{}, std::move(*key)});
    ++count;
  }
  if (count == 0) return std::string("neither a PEM public key (BEGIN PUBLIC KEY) nor a JWK Set");
  return count;
}

Result<std::size_t, std::string> JwtKeys::add_jwks(std::string_view text) {
  const auto object = parse_object(text);
  if (!object) return std::string("not well-formed JSON");
  const json* set = member(*object, "keys");
  if (set != nullptr && !set->is_array()) return std::string("keys: an array is needed");
  const json all = set != nullptr ? *set : json::array({*object});
  std::size_t count = 0;
  for (const json& each : all) {
    if (!each.is_object()) return std::string("keys: objects are needed");
    if (each.contains("d")) return std::string("a private key; this server needs the public ones alone");
    if (!is_for_signatures(each)) continue;
    const std::string id = text_or_empty(each, "kid");
    if (text_or_empty(each, "kty") == "oct") {
      const std::string secret = bytes_of(each, "k");
      if (secret.size() < kMinJwtSecretBytes) return std::string("a secret of 32 bytes or more is needed");
      secrets_.push_back(Secret{id, HmacSha256Key(as_bytes(secret))});
      ++count;
      continue;
    }
    auto key = public_key(each);
    if (!key) continue;
    if (!*key) return std::string(key->error());
    public_.push_back(Public{id, std::move(**key)});
    ++count;
  }
  return count;
}

bool JwtKeys::verify(std::string_view algorithm, std::string_view key_id, std::string_view text,
                     std::string_view signature) const {
  bool good = false;
  // The algorithm chooses among keys of its own kind alone: a public key is never a secret.
  if (algorithm == "HS256") {
    for (const Secret& secret : secrets_) {
      if (!may_mean(key_id, secret.id)) continue;
      good = equal_constant_time(as_bytes(signature), secret.key.sign({as_bytes(text)})) || good;
    }
    return good;
  }
  for (const Public& each : public_) {
    if (good || !may_mean(key_id, each.id) || name_of(each.key.kind()) != algorithm) continue;
    good = each.key.verify(as_bytes(text), as_bytes(signature));
  }
  return good;
}

}  // namespace ts::auth
