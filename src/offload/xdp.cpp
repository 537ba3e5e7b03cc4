// SPDX-License-Identifier: Apache-2.0
#include "xdp.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

#include <linux/if_link.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(TURNSTONE_BPF)
#include <bpf/bpf.h>
#endif

#include "bpf/relay.h"

namespace ts::offload {
namespace {

#if defined(TURNSTONE_BPF)

/// In the driver: without that a frame is copied first, which costs more than tc. Negative: -errno.
int create_link(int program, std::uint32_t device) {
  bpf_link_create_opts options{};
  options.sz = sizeof options;
  options.flags = XDP_FLAGS_DRV_MODE;
  const int link = bpf_link_create(program, static_cast<int>(device), BPF_XDP, &options);
  return link >= 0 ? link : -errno;
}
/// Somebody may have taken it off the device.
bool is_alive(int link) {
  bpf_link_info info{};
  std::uint32_t size = sizeof info;
  return bpf_obj_get_info_by_fd(link, &info, &size) == 0 && info.xdp.ifindex != 0;
}
bool put(int map, const void* key, const void* value) {
  return bpf_map_update_elem(map, key, value, BPF_ANY) == 0;
}
void take_out(int map, const void* key) { static_cast<void>(bpf_map_delete_elem(map, key)); }

#else

int create_link(int, std::uint32_t) { return -ENOSYS; }
bool is_alive(int) { return false; }
bool put(int, const void*, const void*) { return false; }
void take_out(int, const void*) {}

#endif

/// Whose drivers have ndo_xdp_xmit whatever is set, for kernels that cannot be asked (before Linux 6.3). Not
/// a veth: that depends on the other end.
constexpr std::array<std::string_view, 12> kSending{"virtio_net", "mlx5_core", "i40e", "ice",
                                                    "ixgbe",      "igb",       "igc",  "ena",
                                                    "sfc",        "bnxt_en",   "qede", "hv_netvsc"};

std::string named(const Device& device) {
  const std::string driver = driver_of(device.name);
  return driver.empty() ? device.name : device.name + " (" + driver + ')';
}

/// Frames of a bond come in by the devices below it, and those of a VLAN look like ours where a card takes
/// the tag off.
std::string why_never(const Device& device, const std::vector<Link>& links) {
  for (const Link& link : links) {
    if (link.index == device.index && (link.kind == "bond" || link.kind == "team"))
      return "it is made of other devices";
    if (link.lower == device.index && link.kind == "vlan")
      return "the VLAN device " + link.name +
             " stands on it, and XDP does not see tags that a card takes off";
  }
  return {};
}

std::string why_refused(int error) {
  switch (error) {
    case EOPNOTSUPP: return "its driver has no XDP";
    case EBUSY:
    case EEXIST: return "it has another XDP program";
    case ERANGE:
    case EINVAL:
      return std::string("its driver refuses XDP as the device is set (MTU, channels, LRO): ") +
             std::strerror(error);
    default: return std::string("XDP is refused: ") + std::strerror(error);
  }
}

bool is_busy(int error) noexcept { return error == EBUSY || error == EEXIST; }

ts_hop_key key_of(std::uint32_t device, const IpAddress& address) noexcept {
  ts_hop_key out{};
  out.device = device;
  out.family = address.is_v4() ? AF_INET : AF_INET6;
  const ByteView bytes = address.bytes();
  std::memcpy(out.address, bytes.data(), bytes.size());
  return out;
}

}  // namespace

Xdp::~Xdp() {
  for (const auto& [index, served] : served_) drop(served);
}

void Xdp::drop(const Served& served) noexcept {
  // Nobody sends to it any more before it stops: a redirect to it would be lost.
  take_out(parts_.devices, &served.device.index);
  take_out(parts_.out, &served.device.index);
  if (served.link >= 0) ::close(served.link);
}

void Xdp::drop_hops(std::uint32_t device) {
  std::erase_if(hops_, [&](const auto& hop) {
    if (hop.first.device != device) return false;
    const ts_hop_key key = key_of(device, hop.first.address);
    take_out(parts_.hops, &key);
    return true;
  });
}

void Xdp::serve(const std::vector<Device>& devices, std::vector<std::string>& problems) {
  const auto links = surroundings_.links();
  again_ = !links;
  if (!links) return;  // as it is until the kernel says
  std::erase_if(served_, [&](const auto& each) {
    const auto& [index, served] = each;
    const auto still = std::ranges::find(devices, index, &Device::index);
    if (still != devices.end() && is_alive(served.link) && why_never(*still, *links).empty()) return false;
    drop(served);
    drop_hops(index);
    return true;
  });
  for (const Device& device : devices) {
    if (const auto had = served_.find(device.index); had != served_.end()) {
      had->second.device = device;
      continue;
    }
    const auto refused = refused_.find(device.index);
    std::string reason = why_never(device, *links);
    const bool again = reason.empty() && (refused == refused_.end() || refused->second.mtu != device.mtu);
    if (reason.empty() && !again) continue;
    const bool may_change = !reason.empty();  // without the device: a VLAN is taken away
    std::uint32_t mtu = may_change ? 0 : device.mtu;
    if (reason.empty()) {
      reason = attach(device);
      if (reason == why_refused(EBUSY)) mtu = 0;
    }
    if (reason.empty()) {
      refused_.erase(device.index);
      continue;
    }
    if (refused == refused_.end() || refused->second.reason != reason)
      problems.push_back(named(device) + ": no XDP, since " + reason + "; tc relays what comes in by it");
    refused_[device.index] = {mtu, reason};
  }
  std::erase_if(refused_, [&](const auto& each) {
    return std::none_of(devices.begin(), devices.end(),
                        [&](const Device& d) { return d.index == each.first; });
  });
  for (auto& [index, served] : served_) {
    tell_sends(served);
    if (served.sends || served.told) continue;
    served.told = true;
    problems.push_back(
        named(served.device) +
        ": it does not send what XDP gives it (a veth's other end wants GRO or an XDP program); tc "
        "relays what leaves by it");
  }
  behind_ = true;  // neighbours of a new device
}

std::string Xdp::attach(const Device& device) {
  const int link = create_link(parts_.program, device.index);
  if (link < 0) return why_refused(is_busy(-link) ? EBUSY : -link);
  Served served;
  served.device = device;
  served.link = link;
  served_.emplace(device.index, served);
  return {};
}

void Xdp::tell_sends(Served& served) {
  const std::string driver = driver_of(served.device.name);
  const bool known = std::find(kSending.begin(), kSending.end(), driver) != kSending.end();
  ts_device value{};
  std::copy(served.device.address.begin(), served.device.address.end(), value.address);
  value.sends = surroundings_.sends(served.device.index).value_or(known) ? 1 : 0;
  const std::uint32_t index = served.device.index;
  // In this order: what is sent by it is found in both.
  if (value.sends == 0) take_out(parts_.out, &index);
  if (value.sends != 0 && !put(parts_.out, &index, &index)) value.sends = 0;
  if (!put(parts_.devices, &index, &value)) take_out(parts_.devices, &index);
  served.sends = value.sends != 0;
}

bool Xdp::look_around() {
  bool news = again_;
  for (auto& [index, served] : served_) {
    if (is_alive(served.link)) {
      tell_sends(served);
    } else {
      news = true;
    }
  }
  return news ||
         std::any_of(refused_.begin(), refused_.end(), [](const auto& each) { return each.second.mtu == 0; });
}

bool Xdp::follow(TimePoint now) {
  if (surroundings_.take()) behind_ = true;
  if (!behind_) return false;
  if (now - followed_ < kFollowEvery) return true;
  followed_ = now;
  behind_ = !update_hops();
  return behind_;
}

bool Xdp::update_hops() {
  const auto found = surroundings_.neighbours();
  if (!found) return false;
  std::map<Hop, EthernetAddress> now;
  for (const Neighbour& neighbour : *found) {
    if (served_.contains(neighbour.device) && now.size() < TS_MAX_HOPS)
      now.emplace(Hop{neighbour.device, neighbour.address}, neighbour.at);
  }
  for (const auto& [hop, address] : hops_) {
    if (now.contains(hop)) continue;
    const ts_hop_key key = key_of(hop.device, hop.address);
    take_out(parts_.hops, &key);
  }
  for (auto at = now.begin(); at != now.end();) {
    const auto& [hop, address] = *at;
    const auto had = hops_.find(hop);
    if (had != hops_.end() && had->second == address) {
      ++at;
      continue;
    }
    ts_hop value{};
    value.of = key_of(hop.device, hop.address);
    std::copy(address.begin(), address.end(), value.target);
    if (put(parts_.hops, &value.of, &value)) {
      ++at;
    } else {
      take_out(parts_.hops, &value.of);  // the old address is not to stay
      at = now.erase(at);
    }
  }
  hops_ = std::move(now);
  return true;
}

}  // namespace ts::offload
