// SPDX-License-Identifier: Apache-2.0
#include "ways.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace ts::offload {
namespace {

/// What a path may drop without telling us that a smaller one would do: RFC 8200 §5's minimum. IPv6 routers
/// do not fragment, and it is the sockets that keep what an ICMPv6 "packet too big" has said.
constexpr std::uint32_t kMostV6Bytes = 1280;
constexpr std::uint32_t kMostBytes = 65'535;

/// Everything in a netlink message begins at a multiple of four; the kernel's macros for it are C.
constexpr std::size_t aligned(std::size_t size) noexcept { return (size + 3) & ~std::size_t{3}; }

/// The value of that type at the start of the bytes; zeros where there are too few.
template <class T>
T read(ByteView bytes) noexcept {
  T out{};
  if (bytes.size() >= sizeof out) std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

/// A request under construction, in room that is large enough for what we ask.
class Question {
 public:
  void add(std::uint16_t type, ByteView value) noexcept {
    const rtattr head{static_cast<std::uint16_t>(sizeof head + value.size()), type};
    append(&head, sizeof head);
    append(value.data(), value.size());
    size_ = aligned(size_);
  }
  ByteView finish(std::uint32_t sequence, const rtmsg& route) noexcept {
    nlmsghdr head{};
    head.nlmsg_len = static_cast<std::uint32_t>(size_);
    head.nlmsg_type = RTM_GETROUTE;
    head.nlmsg_flags = NLM_F_REQUEST;
    head.nlmsg_seq = sequence;
    std::memcpy(room_.data(), &head, sizeof head);
    std::memcpy(room_.data() + sizeof head, &route, sizeof route);
    return {room_.data(), size_};
  }

 private:
  void append(const void* bytes, std::size_t count) noexcept {
    std::memcpy(room_.data() + size_, bytes, count);
    size_ += count;
  }
  static_assert(sizeof(nlmsghdr) % 4 == 0 && sizeof(rtmsg) % 4 == 0);
  std::array<std::uint8_t, 128> room_{};
  std::size_t size_ = sizeof(nlmsghdr) + sizeof(rtmsg);
};

/// Calls `f(type, value)` for each attribute.
template <class F>
void for_each_attribute(ByteView bytes, F&& f) {
  while (bytes.size() >= sizeof(rtattr)) {
    const auto head = read<rtattr>(bytes);
    if (head.rta_len < sizeof head || head.rta_len > bytes.size()) return;
    f(static_cast<std::uint16_t>(head.rta_type & NLA_TYPE_MASK),
      bytes.subspan(sizeof head, head.rta_len - sizeof head));
    bytes = bytes.subspan(std::min(aligned(head.rta_len), bytes.size()));
  }
}

/// The route in an answer's body.
std::optional<Way> read_route(ByteView body, const IpAddress& to, const std::vector<Device>& devices) {
  if (body.size() < sizeof(rtmsg)) return std::nullopt;
  const auto type = read<rtmsg>(body).rtm_type;
  if (type == RTN_LOCAL) return Way{TS_THIS_HOST, kMostBytes, to};
  if (type != RTN_UNICAST) return std::nullopt;
  Way out;
  out.hop = to;
  std::uint32_t mtu = 0;
  bool encapsulated = false;
  for_each_attribute(body.subspan(sizeof(rtmsg)), [&](std::uint16_t attribute, ByteView value) {
    if (attribute == RTA_OIF) out.device = read<std::uint32_t>(value);
    if (attribute == RTA_GATEWAY) out.hop = IpAddress::from_bytes(value);
    if (attribute == RTA_VIA && value.size() > 2) out.hop = IpAddress::from_bytes(value.subspan(2));
    if (attribute == RTA_ENCAP) encapsulated = true;
    if (attribute != RTA_METRICS) return;
    for_each_attribute(value, [&](std::uint16_t metric, ByteView in) {
      if (metric == RTAX_MTU) mtu = read<std::uint32_t>(in);
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

std::vector<Device> ethernet_devices() {
  std::vector<Device> out;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return out;
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    const auto address = address_of(at->ifa_addr);
    if (!address || is_link_local(*address)) continue;
    if ((at->ifa_flags & IFF_UP) == 0 || (at->ifa_flags & IFF_LOOPBACK) != 0) continue;
    ifreq request{};
    std::strncpy(request.ifr_name, at->ifa_name, IFNAMSIZ - 1);
    if (std::any_of(out.begin(), out.end(), [&](const Device& d) { return d.name == request.ifr_name; }))
      continue;
    if (::ioctl(socket, SIOCGIFHWADDR, &request) != 0 || request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
      continue;
    if (::ioctl(socket, SIOCGIFMTU, &request) != 0) continue;
    out.push_back({::if_nametoindex(at->ifa_name), static_cast<std::uint32_t>(std::max(request.ifr_mtu, 0)),
                   std::string(request.ifr_name)});
  }
  if (socket >= 0) ::close(socket);
  ::freeifaddrs(list);
  std::sort(out.begin(), out.end(), [](const Device& a, const Device& b) { return a.index < b.index; });
  return out;
}

Netlink::Netlink(std::uint32_t groups)
    : descriptor_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  // An answer comes at once; should it not, nobody waits for it for ever.
  const timeval patience{0, 200'000};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
  ::close(descriptor_);
  descriptor_ = -1;
}

Netlink::~Netlink() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::optional<Way> Netlink::way(const IpAddress& from, const IpAddress& to,
                                const std::vector<Device>& devices) {
  const std::uint32_t sequence = ++sequence_;
  rtmsg route{};
  route.rtm_family = to.is_v4() ? AF_INET : AF_INET6;
  route.rtm_dst_len = route.rtm_src_len = to.is_v4() ? 32 : 128;
  Question question;
  question.add(RTA_DST, to.bytes());
  question.add(RTA_SRC, from.bytes());
  const ByteView asked = question.finish(sequence, route);
  if (::send(descriptor_, asked.data(), asked.size(), 0) < 0) return std::nullopt;
  std::array<std::uint8_t, 4096> room;
  for (;;) {
    const ssize_t got = ::recv(descriptor_, room.data(), room.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    const ByteView answer(room.data(), static_cast<std::size_t>(got));
    const auto head = read<nlmsghdr>(answer);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > answer.size()) return std::nullopt;
    if (head.nlmsg_seq != sequence) continue;  // one that came too late
    if (head.nlmsg_type != RTM_NEWROUTE) return std::nullopt;
    return read_route(answer.subspan(sizeof head, head.nlmsg_len - sizeof head), to, devices);
  }
}

bool Netlink::drain() noexcept {
  std::array<std::uint8_t, 8192> room;
  bool any = false;
  for (;;) {
    const ssize_t got = ::recv(descriptor_, room.data(), room.size(), MSG_DONTWAIT);
    if (got < 0 && errno != EINTR && errno != ENOBUFS) return any;
    any = true;
  }
}

}  // namespace ts::offload
