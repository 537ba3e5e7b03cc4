// SPDX-License-Identifier: Apache-2.0
#include "services.hpp"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include <turnstone/config/load.hpp>

#include "../probe/text.hpp"

namespace ts::app::external {
namespace {

using nlohmann::json;

// Those that need a field of their own come first: the others' paths are plain enough to be answered by
// anybody.
constexpr std::array<MetadataService, 7> kServices{{
    {"Google Cloud", "/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip",
     "Metadata-Flavor", "Google", "", "", ""},
    {"AWS", "/latest/meta-data/public-ipv4", "", "", "/latest/api/token", "X-aws-ec2-metadata-token",
     "X-aws-ec2-metadata-token-ttl-seconds"},
    {"Azure",
     "/metadata/instance/network/interface/0/ipv4/ipAddress/0/"
     "publicIpAddress?api-version=2021-02-01&format=text",
     "Metadata", "true", "", "", ""},
    {"Azure load balancer", "/metadata/loadbalancer?api-version=2020-10-01", "Metadata", "true", "", "", ""},
    {"Hetzner", "/hetzner/v1/metadata/public-ipv4", "", "", "", "", ""},
    {"DigitalOcean", "/metadata/v1/interfaces/public/0/ipv4/address", "", "", "", "", ""},
    {"OpenStack", "/latest/meta-data/public-ipv4", "", "", "", "", ""},
}};

const json* member(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::optional<IpAddress> usable(std::string_view text) {
  const auto address = IpAddress::parse(probe::trimmed(text));
  return address && is_usable(*address) ? address : std::nullopt;
}

std::optional<IpAddress> usable(const json* text) {
  return text != nullptr && text->is_string() ? usable(text->get_ref<const std::string&>()) : std::nullopt;
}

}  // namespace

std::span<const MetadataService> metadata_services() noexcept { return kServices; }

bool is_usable(const IpAddress& address) { return config::reach(address) > 1; }

std::optional<IpAddress> address_in(std::string_view body) {
  if (const auto plain = usable(body)) return plain;
  const json parsed = json::parse(body, nullptr, false);
  const json* balancer = member(parsed, "loadbalancer");
  const json* list = balancer == nullptr ? nullptr : member(*balancer, "publicIpAddresses");
  if (list == nullptr || !list->is_array()) return std::nullopt;
  for (const json& entry : *list) {
    if (const auto address = usable(member(entry, "frontendIpAddress"))) return address;
  }
  return std::nullopt;
}

std::vector<IpAddress> addresses_of_node(std::string_view text) {
  std::vector<IpAddress> out;
  const json parsed = json::parse(text, nullptr, false);
  const json* status = member(parsed, "status");
  const json* list = status == nullptr ? nullptr : member(*status, "addresses");
  if (list == nullptr || !list->is_array()) return out;
  for (const json& entry : *list) {
    const json* type = member(entry, "type");
    if (type == nullptr || *type != "ExternalIP") continue;
    const auto address = usable(member(entry, "address"));
    const auto same_family = [&](const IpAddress& a) { return a.family() == address->family(); };
    if (address && std::none_of(out.begin(), out.end(), same_family)) out.push_back(*address);
  }
  return out;
}

}  // namespace ts::app::external
