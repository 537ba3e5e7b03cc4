// SPDX-License-Identifier: Apache-2.0
// How rows of the table are written, and the functions that add those of each section.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../schema_table.hpp"

// A place in Config, for a const and a mutable one.
#define TS_AT(member) \
  [](auto& c) -> auto& { return c.member; }

namespace ts::config {

/// The words of a row.
struct Row {
  const char* path;
  const char* flag;
  Range range;
  const char* doc;
  const char* remedy;
  const char* example = "";
};

inline constexpr std::uint64_t kSecond = 1000;
inline constexpr std::uint64_t kMinute = 60 * kSecond;
inline constexpr std::uint64_t kHour = 60 * kMinute;
inline constexpr std::uint64_t kDay = 24 * kHour;
inline constexpr Range kAny{};
inline constexpr Range kLimit{0, 4'000'000'000};
inline constexpr Range kBitRate{0, 1'000'000'000'000};

/// "TURNSTONE_LISTEN_PORT" of "listen.port".
std::string environment_name(std::string_view path);

template <class Codec>
Key base_key(const Row& row, bool list, bool secret) {
  Key key;
  key.info.path = row.path;
  key.info.type = (list ? "list of " : "") + std::string(Codec::kType);
  key.info.unit = Codec::unit(row.range);
  key.info.doc = row.doc;
  key.info.remedy = row.remedy;
  key.info.flag = row.flag;
  key.info.environment = environment_name(row.path);
  key.info.secret = secret;
  key.info.list = list;
  key.form = Codec::kForm;
  key.range = row.range;
  key.expected = Codec::expected(row.range);
  key.example = row.example;
  return key;
}

template <class Codec>
constexpr bool kIsSecret = std::derived_from<Codec, SecretCodec> || std::same_as<Codec, UserCodec>;

inline bool same_value(const auth::StaticUser& a, const auth::StaticUser& b) {
  return a.name == b.name && a.password == b.password;
}
inline bool same_value(const turn::RelayAddress& a, const turn::RelayAddress& b) {
  return a.advertised == b.advertised && a.local == b.local;
}
template <class T>
bool same_value(const T& a, const T& b) {
  return a == b;
}
template <class T>
bool same_value(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const T& x, const T& y) { return same_value(x, y); });
}

/// Comparing and copying, of keys with a value and of lists.
template <class At>
void add_whole_value(Key& key, At at) {
  key.same = [at](const Config& a, const Config& b) { return same_value(at(a), at(b)); };
  key.copy = [at](Config& to, const Config& from) { at(to) = at(from); };
}

/// A key with one value.
template <class Codec, class At>
Key one(At at, const Row& row) {
  Key key = base_key<Codec>(row, false, kIsSecret<Codec>);
  key.set = [at, range = row.range](Config& config,
                                    std::span<const std::string> texts) -> std::vector<std::size_t> {
    if (texts.empty()) return {};
    auto value = Codec::parse(texts.back(), range);
    if (!value) return {texts.size() - 1};
    at(config) = std::move(*value);
    return {};
  };
  key.get = [at](const Config& config) { return std::vector<std::string>{Codec::print(at(config))}; };
  add_whole_value(key, at);
  key.info.default_value = yaml_value(key, key.get(Config{}));
  return key;
}

/// A key with a list of values.
template <class Codec, class At>
Key many(At at, const Row& row) {
  Key key = base_key<Codec>(row, true, kIsSecret<Codec>);
  key.set = [at, range = row.range](Config& config, std::span<const std::string> texts) {
    std::vector<typename Codec::Value> values;
    std::vector<std::size_t> bad;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (auto value = Codec::parse(texts[i], range)) {
        values.push_back(std::move(*value));
      } else {
        bad.push_back(i);
      }
    }
    at(config) = std::move(values);
    return bad;
  };
  key.get = [at](const Config& config) {
    std::vector<std::string> out;
    for (const auto& value : at(config)) out.push_back(Codec::print(value));
    return out;
  };
  add_whole_value(key, at);
  key.info.default_value = yaml_value(key, key.get(Config{}));
  return key;
}

// Each adds the rows of its section.
void add_listen(std::vector<Key>& table);
void add_auth(std::vector<Key>& table);
void add_realms(std::vector<Key>& table);
void add_relay(std::vector<Key>& table);
void add_signaling(std::vector<Key>& table);
void add_signaling_hook(std::vector<Key>& table);
void add_socketio(std::vector<Key>& table);
void add_peerjs(std::vector<Key>& table);
void add_redis(std::vector<Key>& table);
void add_webhooks(std::vector<Key>& table);
/// admin, shutdown.
void add_operation(std::vector<Key>& table);
/// Metrics, log and the development mode.
void add_rest(std::vector<Key>& table);

}  // namespace ts::config
