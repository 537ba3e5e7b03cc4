// SPDX-License-Identifier: Apache-2.0
#include "ways.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ts::offload {
namespace {

/// What a path may drop without telling us that a smaller one would do: RFC 8200 §5's minimum. IPv6 routers
/// do not fragment, and it is the sockets that keep what an ICMPv6 "packet too big" has said.
constexpr std::uint32_t kMostV6Bytes = 1280;
constexpr std::uint32_t kMostBytes = 65'535;

/// The route in an answer's body.
std::optional<Way> read_route(ByteView body, const IpAddress& to, const std::vector<Device>& devices) {
  if (body.size() < sizeof(rtmsg)) return std::nullopt;
  const auto type = netlink_read<rtmsg>(body).rtm_type;
  if (type == RTN_LOCAL) return Way{TS_THIS_HOST, kMostBytes, to};
  if (type != RTN_UNICAST) return std::nullopt;
  Way out;
  out.hop = to;
  std::uint32_t mtu = 0;
  bool encapsulated = false;
  for_each_attribute(body.subspan(sizeof(rtmsg)), [&](std::uint16_t attribute, ByteView value) {
    if (attribute == RTA_OIF) out.device = netlink_read<std::uint32_t>(value);
    if (attribute == RTA_GATEWAY) out.hop = IpAddress::from_bytes(value);
    if (attribute == RTA_VIA && value.size() > 2) out.hop = IpAddress::from_bytes(value.subspan(2));
    if (attribute == RTA_ENCAP) encapsulated = true;
    if (attribute != RTA_METRICS) return;
    for_each_attribute(value, [&](std::uint16_t metric, ByteView in) {
      if (metric == RTAX_MTU) mtu = netlink_read<std::uint32_t>(in);
    });
  });
  const auto device =
      std::find_if(devices.begin(), devices.end(), [&](const Device& d) { return d.index == out.device; });
  if (device == devices.end() || encapsulated) return std::nullopt;
  out.most_bytes =
      std::min({device->mtu, mtu != 0 ? mtu : kMostBytes, to.is_v6() ? kMostV6Bytes : kMostBytes});
  return out;
}

/// Of an interface's address; nothing: it is of another family.
std::optional<IpAddress> address_of(const sockaddr* from) noexcept {
  if (from == nullptr) return std::nullopt;
  if (from->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, from, sizeof v4);
    return IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&v4.sin_addr), 4});
  }
  if (from->sa_family != AF_INET6) return std::nullopt;
  sockaddr_in6 v6{};
  std::memcpy(&v6, from, sizeof v6);
  return IpAddress::from_bytes({v6.sin6_addr.s6_addr, 16});
}

}  // namespace

bool is_link_local(const IpAddress& address) noexcept {
  const ByteView b = address.bytes();
  return address.is_v6() ? b[0] == 0xFE && (b[1] & 0xC0) == 0x80 : b[0] == 169 && b[1] == 254;
}

namespace {

/// What the system says of a device with an address; nothing: it is none for us.
std::optional<Device> device_of(const ifaddrs& at, int socket) {
  const auto address = address_of(at.ifa_addr);
  if (!address || is_link_local(*address)) return std::nullopt;
  if ((at.ifa_flags & IFF_UP) == 0 || (at.ifa_flags & IFF_LOOPBACK) != 0) return std::nullopt;
  ifreq request{};
  std::strncpy(request.ifr_name, at.ifa_name, IFNAMSIZ - 1);
  if (::ioctl(socket, SIOCGIFHWADDR, &request) != 0 || request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
    return std::nullopt;
  std::array<std::uint8_t, 6> ethernet{};
  std::memcpy(ethernet.data(), request.ifr_hwaddr.sa_data, ethernet.size());
  if (::ioctl(socket, SIOCGIFMTU, &request) != 0) return std::nullopt;
  const auto mtu = static_cast<std::uint32_t>(std::max(request.ifr_mtu, 0));
  if (::ioctl(socket, SIOCGIFINDEX, &request) != 0) return std::nullopt;
  const auto index = static_cast<unsigned>(request.ifr_ifindex);
  // The name that comes with an IPv4 address is its label, as "eth0:1".
  std::array<char, IF_NAMESIZE> name{};
  if (::if_indextoname(index, name.data()) == nullptr) return std::nullopt;
  return Device{index, mtu, std::string(name.data()), ethernet};
}

}  // namespace

std::optional<std::vector<Device>> ethernet_devices() {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return std::nullopt;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    ::close(socket);
    return std::nullopt;
  }
  std::vector<Device> out;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    auto device = device_of(*at, socket);
    const auto is_it = [&](const Device& d) { return d.index == device->index; };
    if (device && std::none_of(out.begin(), out.end(), is_it)) out.push_back(*std::move(device));
  }
  ::close(socket);
  ::freeifaddrs(list);
  std::sort(out.begin(), out.end(), [](const Device& a, const Device& b) { return a.index < b.index; });
  return out;
}

Router::Router() : netlink_(NETLINK_ROUTE) {}

std::optional<Way> Router::way(const Endpoint& from, const Endpoint& to, const std::vector<Device>& devices) {
  const bool v4 = to.address.is_v4();
  rtmsg route{};
  route.rtm_family = v4 ? AF_INET : AF_INET6;
  route.rtm_dst_len = route.rtm_src_len = v4 ? 32 : 128;
  Question question(RTM_GETROUTE, route);
  question.add(RTA_DST, to.address.bytes());
  question.add(RTA_SRC, from.address.bytes());
  // Rules may want to know these, and so may the choice between several equal ways.
  std::array<std::uint8_t, 2> port{};
  question.add(RTA_IP_PROTO, std::array<std::uint8_t, 1>{IPPROTO_UDP});
  store_be16(port.data(), from.port);
  question.add(RTA_SPORT, port);
  store_be16(port.data(), to.port);
  question.add(RTA_DPORT, port);
  const auto answer = netlink_.ask(question, RTM_NEWROUTE);
  return answer ? read_route(*answer, to.address, devices) : std::nullopt;
}

std::optional<Ways> Router::ways(const turn::Flow& flow, const std::vector<Device>& devices) {
  const auto to_client = way(flow.tuple.server, flow.tuple.client, devices);
  // Clients on this host come by a device that has no filter.
  if (!to_client || to_client->device == TS_THIS_HOST) return std::nullopt;
  const auto to_peer = way(flow.relay, flow.peer, devices);
  if (!to_peer) return std::nullopt;
  return Ways{*to_client, *to_peer};
}

}  // namespace ts::offload
