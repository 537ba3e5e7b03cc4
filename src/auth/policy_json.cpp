// SPDX-License-Identifier: Apache-2.0
// nlohmann's parser is asked not to throw, and no value is read as what it is not.
#include "policy_json.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <vector>

#include <nlohmann/json.hpp>

namespace ts::auth {
namespace {

using nlohmann::json;

/// A policy in a token with its arrays takes three; what is ignored there may have more.
constexpr std::size_t kMaxDepth = 8;
/// Nobody names more networks in a username either.
constexpr std::size_t kMaxNetworks = 64;

/// Finds keys that are there twice, and nesting that nobody needs.
class Watcher {
 public:
  bool operator()(json::parse_event_t event, const json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        keys_.emplace_back();
        good_ = good_ && keys_.size() <= kMaxDepth;
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end: keys_.pop_back(); break;
      case json::parse_event_t::key:
        good_ = good_ && keys_.back().insert(*parsed.get_ptr<const json::string_t*>()).second;
        break;
      case json::parse_event_t::value: break;
    }
    return true;
  }
  bool good() const noexcept { return good_; }

 private:
  std::vector<std::set<std::string>> keys_;  // of each object that is open
  bool good_ = true;
};

bool read_name(const json& value, std::string& out) {
  const std::string* text = text_of(&value);
  if (text == nullptr || text->empty() || text->size() > kMaxPolicyNameBytes) return false;
  out = *text;
  return true;
}

/// Networks with `+` between them.
bool read_joined(std::string_view text, std::vector<IpNetwork>& out) {
  for (;;) {
    const std::size_t plus = text.find('+');
    const auto network = IpNetwork::parse(text.substr(0, plus));
    if (!network || out.size() >= kMaxNetworks) return false;
    out.push_back(*network);
    if (plus == std::string_view::npos) return true;
    text.remove_prefix(plus + 1);
  }
}

/// One text, or a list of them. An empty list would read as no restriction: it is refused.
bool read_networks(const json& value, std::vector<IpNetwork>& out) {
  if (const std::string* text = text_of(&value)) return read_joined(*text, out);
  if (!value.is_array() || value.empty()) return false;
  return std::all_of(value.begin(), value.end(), [&](const json& each) {
    const std::string* text = text_of(&each);
    return text != nullptr && read_joined(*text, out);
  });
}

template <class Number>
bool read_number(const json& value, Number most, Number& out) {
  const auto* number = value.get_ptr<const json::number_unsigned_t*>();
  if (number == nullptr || *number == 0 || *number > most) return false;  // 0 would read as no limit
  out = static_cast<Number>(*number);
  return true;
}

bool read_rule(const std::string& key, const json& value, Policy& out) {
  constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (key == "room") return read_name(value, out.room);
  if (key == "member") return read_name(value, out.member);
  if (key == "peers") return read_networks(value, out.peers);
  if (key == "bps") return read_number(value, kMaxPolicyBitsPerSecond, out.max_bits_per_second);
  if (key == "pps") return read_number(value, kMost, out.max_packets_per_second);
  if (key == "allocations") return read_number(value, kMost, out.max_allocations);
  if (key == "closed") return out.closed = value == json(true);  // false would be a rule that is none
  return key == "ip" && read_networks(value, out.clients);
}

}  // namespace

std::optional<json> parse_object(std::string_view text) {
  Watcher watcher;
  json out = json::parse(
      text.begin(), text.end(),
      [&](int, json::parse_event_t event, json& parsed) { return watcher(event, parsed); }, false);
  if (!out.is_object() || !watcher.good()) return std::nullopt;
  return out;
}

const std::string* text_of(const json* value) {
  return value != nullptr ? value->get_ptr<const json::string_t*>() : nullptr;
}

bool read_policy(const json& rules, Policy& out) {
  if (!rules.is_object()) return false;
  const auto items = rules.items();
  return std::all_of(items.begin(), items.end(),
                     [&](const auto& item) { return read_rule(item.key(), item.value(), out); });
}

json to_json(const Policy& policy) {
  json out = json::object();
  const auto add_networks = [&](const char* key, const std::vector<IpNetwork>& networks) {
    for (const IpNetwork& network : networks) out[key].push_back(network.to_string());
  };
  if (!policy.room.empty()) out["room"] = policy.room;
  if (!policy.member.empty()) out["member"] = policy.member;
  add_networks("peers", policy.peers);
  if (policy.max_bits_per_second != 0) out["bps"] = policy.max_bits_per_second;
  if (policy.max_packets_per_second != 0) out["pps"] = policy.max_packets_per_second;
  if (policy.max_allocations != 0) out["allocations"] = policy.max_allocations;
  add_networks("ip", policy.clients);
  if (policy.closed) out["closed"] = true;
  return out;
}

std::optional<Policy> parse_policy_json(std::string_view text) {
  const auto rules = parse_object(text);
  Policy out;
  if (!rules || !read_policy(*rules, out)) return std::nullopt;
  return out;
}

}  // namespace ts::auth
