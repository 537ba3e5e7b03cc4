// SPDX-License-Identifier: Apache-2.0
// auth.realms, and the keys of one realm.
#include <numeric>

#include "rows.hpp"

// A place in the last one of a list of Config, for a const and a mutable one.
#define TS_AT_LAST(list, member) \
  [](auto& c) -> auto& { return last(c.list).member; }

namespace ts::config {
namespace {

template <class T>
const T& last(const std::vector<T>& all) {
  static const T kNone{};
  return all.empty() ? kNone : all.back();
}
template <class T>
T& last(std::vector<T>& all) {
  return all.back();
}

constexpr const char* kFileRemedy = "Name a file of at most 1 MiB that the server's user may read.";

void add_realm_sources(std::vector<Key>& t) {
  t.push_back(many<UserCodec>(
      TS_AT_LAST(auth.realms, users),
      {"auth.realms[].users", "", kAny, "As auth.users, of this realm.", "Write name, colon, password."}));
  t.push_back(
      one<PathCodec>(TS_AT_LAST(secret_files.realms, users),
                     {"auth.realms[].users_file", "", {0, 4096}, "As auth.users_file.", kFileRemedy}));
  t.push_back(many<SecretCodec>(
      TS_AT_LAST(auth.realms, secrets),
      {"auth.realms[].secrets", "", {1, 1024}, "As auth.secrets.", "Make one with: openssl rand -hex 32"}));
  t.push_back(
      one<PathCodec>(TS_AT_LAST(secret_files.realms, secrets),
                     {"auth.realms[].secrets_file", "", {0, 4096}, "As auth.secrets_file.", kFileRemedy}));
  t.push_back(many<JwtSecretCodec>(TS_AT_LAST(auth.realms, jwt_secrets),
                                   {"auth.realms[].jwt_secrets", "", JwtSecretCodec::kRange,
                                    "As auth.jwt_secrets.", "Make one with: openssl rand -hex 32"}));
  t.push_back(one<PathCodec>(
      TS_AT_LAST(secret_files.realms, jwt_secrets),
      {"auth.realms[].jwt_secrets_file", "", {0, 4096}, "As auth.jwt_secrets_file.", kFileRemedy}));
  t.push_back(one<TextCodec>(TS_AT_LAST(auth.realms, jwt_audience),
                             {"auth.realms[].jwt_audience",
                              "",
                              {0, 255},
                              "As auth.jwt_audience; not inherited from it.",
                              "Write the name that your application gives this server in aud."}));
}

std::vector<Key> make_realm_table() {
  std::vector<Key> t;
  t.push_back(
      one<RealmCodec>(TS_AT_LAST(auth.realms, name), {"auth.realms[].name",
                                                      "",
                                                      {1, 127},
                                                      "The realm, as clients are told it. Required.",
                                                      "Write a domain name such as eu.example.org."}));
  t.push_back(many<OriginCodec>(
      TS_AT_LAST(auth.realms, origins),
      {"auth.realms[].origins", "", kAny, "Whoever sends one of these in ORIGIN meets this realm.",
       "Write scheme, host and perhaps a port, without a path."}));
  t.push_back(many<ListenerCodec>(
      TS_AT_LAST(auth.realms, listeners),
      {"auth.realms[].listeners", "", kAny,
       "Whoever comes to one of these ports, or addresses and ports, meets this realm and no other.",
       "Write a port of the section listen, or an address and a port."}));
  add_realm_sources(t);
  t.push_back(one<CountCodec>(
      TS_AT_LAST(turn.realms, max_allocations),
      {"auth.realms[].max_allocations", "", kLimit,
       "Allocations of this realm; 0 is no limit but relay.max_allocations.", "Write a number."}));
  t.push_back(one<OptionalCountCodec>(
      TS_AT_LAST(turn.realms, max_allocations_per_user),
      {"auth.realms[].user_quota", "", kLimit,
       "Allocations of one username in this realm. Left out: relay.max_allocations_per_user.",
       "Write a number."}));
  return t;
}

/// `{name: "eu.example.org", origins: […]}` with the keys that are not as they are by default.
std::string realm_text(const Config& config, std::size_t index) {
  const auto at = [index](const auto& all) {
    using All = std::remove_cvref_t<decltype(all)>;
    return index < all.size() ? All{all[index]} : All(1);
  };
  Config one;
  one.auth.realms = at(config.auth.realms);
  one.turn.realms = at(config.turn.realms);
  one.secret_files.realms = at(config.secret_files.realms);
  std::string out = "{";
  for (const Key& key : realm_table()) {
    const std::string value = yaml_value(key, key.get(one));
    if (value == key.info.default_value) continue;
    out += (out.size() > 1 ? ", " : "") + std::string(leaf_of(key.info.path)) + ": " + value;
  }
  return out + '}';
}

/// One realm of a Config, as the keys of one see it.
Config with_realm(const Config& config, std::size_t index) {
  Config out;
  out.auth.realms = {config.auth.realms[index]};
  out.turn.realms = {config.turn.realms[index]};
  out.secret_files.realms = {config.secret_files.realms[index]};
  return out;
}

bool same_realms(const Config& a, const Config& b) {
  const std::size_t count = a.auth.realms.size();
  if (count != b.auth.realms.size()) return false;
  for (std::size_t i = 0; i < count; ++i) {
    const Config x = with_realm(a, i);
    const Config y = with_realm(b, i);
    const std::span<const Key> keys = realm_table();
    if (!std::all_of(keys.begin(), keys.end(), [&](const Key& key) { return key.same(x, y); })) return false;
  }
  return true;
}

/// What the table says of realms; the loader reads them by realm_table().
Key realms_key() {
  Key key;
  key.info.path = kRealmsPath;
  key.info.type = "list of realms";
  key.info.doc =
      "Further realms with credentials of their own; docs/configuration.md has their keys. Not to be set "
      "by a variable.";
  key.info.remedy = "Write them in the configuration file.";
  key.info.environment = environment_name(kRealmsPath);
  key.info.list = true;
  key.info.default_value = "[]";
  key.expected = "realms in the configuration file";
  key.example =
      R"({name: "eu.example.org", origins: ["https://eu.example.org"], secrets: ["another secret"]})";
  key.set = [](Config&, std::span<const std::string> texts) {
    std::vector<std::size_t> bad(texts.size());
    std::iota(bad.begin(), bad.end(), std::size_t{0});
    return bad;
  };
  key.same = same_realms;
  key.copy = [](Config& to, const Config& from) {
    to.auth.realms = from.auth.realms;
    to.turn.realms = from.turn.realms;
    to.secret_files.realms = from.secret_files.realms;
  };
  key.get = [](const Config& config) {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < config.auth.realms.size(); ++i) out.push_back(realm_text(config, i));
    return out;
  };
  return key;
}

}  // namespace

void add_realms(std::vector<Key>& t) { t.push_back(realms_key()); }

std::span<const Key> realm_table() {
  static const std::vector<Key> kTable = make_realm_table();
  return kTable;
}

}  // namespace ts::config
