// SPDX-License-Identifier: Apache-2.0
#include "surroundings.hpp"

#include <algorithm>
#include <cstring>

#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ts::offload {
namespace {

constexpr std::array kNeighbourGroups{int{RTNLGRP_NEIGH}};
/// What packets are sent to without another question.
constexpr std::uint16_t kValid =
    NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;

/// linux/netdev.h, which older headers lack.
constexpr char kFeaturesFamily[] = "netdev";
constexpr std::uint8_t kGetDevice = 1;
constexpr std::uint16_t kDeviceIndex = 1;
constexpr std::uint16_t kDeviceFeatures = 3;
constexpr std::uint64_t kSends = 4;

std::string text_of(ByteView value) {
  const auto end = std::find(value.begin(), value.end(), std::uint8_t{0});
  return {value.begin(), end};
}

std::uint16_t find_family(Netlink& questions) {
  if (!questions.is_open()) return 0;
  genlmsghdr body{};
  body.cmd = CTRL_CMD_GETFAMILY;
  body.version = 1;
  Question question(GENL_ID_CTRL, body);
  question.add(CTRL_ATTR_FAMILY_NAME,
               {reinterpret_cast<const std::uint8_t*>(kFeaturesFamily), sizeof kFeaturesFamily});
  const auto answer = questions.ask(question, GENL_ID_CTRL);
  if (!answer || answer->size() < sizeof body) return 0;
  std::uint16_t out = 0;
  for_each_attribute(answer->subspan(sizeof body), [&out](std::uint16_t attribute, ByteView value) {
    if (attribute == CTRL_ATTR_FAMILY_ID) out = netlink_read<std::uint16_t>(value);
  });
  return out;
}

std::optional<Neighbour> read_neighbour(ByteView body) {
  const auto head = netlink_read<ndmsg>(body);
  if (body.size() < sizeof head || (head.ndm_state & kValid) == 0) return std::nullopt;
  if (head.ndm_family != AF_INET && head.ndm_family != AF_INET6) return std::nullopt;
  const std::size_t size = head.ndm_family == AF_INET ? 4 : 16;
  Neighbour out;
  out.device = static_cast<std::uint32_t>(head.ndm_ifindex);
  bool named = false;
  bool placed = false;
  for_each_attribute(body.subspan(sizeof head), [&](std::uint16_t attribute, ByteView value) {
    if (attribute == NDA_DST && value.size() == size) {
      out.address = IpAddress::from_bytes(value);
      named = true;
    }
    if (attribute == NDA_LLADDR && value.size() == out.at.size()) {
      std::copy(value.begin(), value.end(), out.at.begin());
      placed = true;
    }
  });
  // Of a group: broadcasts and multicasts are not relayed.
  const bool single = (out.at[0] & 1) == 0;
  return named && placed && single ? std::optional(out) : std::nullopt;
}

std::optional<Link> read_link(ByteView body) {
  if (body.size() < sizeof(ifinfomsg)) return std::nullopt;
  Link out;
  out.index = static_cast<std::uint32_t>(netlink_read<ifinfomsg>(body).ifi_index);
  bool elsewhere = false;
  for_each_attribute(body.subspan(sizeof(ifinfomsg)), [&](std::uint16_t attribute, ByteView value) {
    if (attribute == IFLA_IFNAME) out.name = text_of(value);
    if (attribute == IFLA_LINK) out.lower = netlink_read<std::uint32_t>(value);
    if (attribute == IFLA_LINK_NETNSID) elsewhere = true;
    if (attribute != IFLA_LINKINFO) return;
    for_each_attribute(value, [&](std::uint16_t info, ByteView in) {
      if (info == IFLA_INFO_KIND) out.kind = text_of(in);
    });
  });
  // The number is one of another network namespace: of a veth's far end, say.
  if (elsewhere) out.lower = 0;
  return out;
}

}  // namespace

Surroundings::Surroundings()
    : changes_(NETLINK_ROUTE, kNeighbourGroups), questions_(NETLINK_ROUTE), features_(NETLINK_GENERIC) {
  family_ = find_family(features_);
}

std::optional<std::vector<Neighbour>> Surroundings::neighbours() {
  ndmsg body{};
  body.ndm_family = AF_UNSPEC;
  Question question(RTM_GETNEIGH, body);
  const auto answers = questions_.ask_all(question, RTM_NEWNEIGH);
  if (!answers) return std::nullopt;
  std::vector<Neighbour> out;
  for (const auto& answer : *answers) {
    if (auto neighbour = read_neighbour(answer)) out.push_back(*std::move(neighbour));
  }
  return out;
}

std::optional<std::vector<Link>> Surroundings::links() {
  Question question(RTM_GETLINK, ifinfomsg{});
  const auto answers = questions_.ask_all(question, RTM_NEWLINK);
  if (!answers) return std::nullopt;
  std::vector<Link> out;
  for (const auto& answer : *answers) {
    if (auto link = read_link(answer)) out.push_back(*std::move(link));
  }
  return out;
}

std::optional<bool> Surroundings::sends(std::uint32_t device) {
  if (family_ == 0) return std::nullopt;
  genlmsghdr body{};
  body.cmd = kGetDevice;
  body.version = 1;
  Question question(family_, body);
  std::array<std::uint8_t, sizeof device> index{};
  std::memcpy(index.data(), &device, sizeof device);
  question.add(kDeviceIndex, index);
  const auto answer = features_.ask(question, family_);
  if (!answer || answer->size() < sizeof body) return std::nullopt;
  std::optional<bool> out;
  for_each_attribute(answer->subspan(sizeof body), [&out](std::uint16_t attribute, ByteView value) {
    if (attribute == kDeviceFeatures) out = (netlink_read<std::uint64_t>(value) & kSends) != 0;
  });
  return out;
}

std::string driver_of(const std::string& device) {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return {};
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  ifreq request{};
  std::strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&info);
  const bool known = ::ioctl(socket, SIOCETHTOOL, &request) == 0;
  ::close(socket);
  info.driver[sizeof info.driver - 1] = 0;
  return known ? std::string(info.driver) : std::string();
}

}  // namespace ts::offload
