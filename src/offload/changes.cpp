// SPDX-License-Identifier: Apache-2.0
#include "changes.hpp"

#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>

namespace ts::offload {
namespace {

constexpr std::array kRouteGroups{int{RTNLGRP_LINK},      int{RTNLGRP_IPV4_IFADDR}, int{RTNLGRP_IPV4_ROUTE},
                                  int{RTNLGRP_IPV4_RULE}, int{RTNLGRP_IPV6_IFADDR}, int{RTNLGRP_IPV6_ROUTE},
                                  int{RTNLGRP_IPV6_RULE}, int{RTNLGRP_NEXTHOP}};
constexpr std::array kNftablesGroups{int{NFNLGRP_NFTABLES}};
constexpr std::array kIpsecGroups{int{XFRMNLGRP_POLICY}};

}  // namespace

Changes::Changes()
    : routes_(NETLINK_ROUTE, kRouteGroups),
      nftables_(NETLINK_NETFILTER, kNftablesGroups),
      ipsec_(NETLINK_XFRM, kIpsecGroups),
      ipsec_questions_(NETLINK_XFRM) {}

bool Changes::is_open() const noexcept {
  const auto is_fine = [](const Netlink& optional) { return optional.is_open() || optional.is_absent(); };
  return routes_.is_open() && is_fine(nftables_) && is_fine(ipsec_) && is_fine(ipsec_questions_);
}

std::array<pollfd, 3> Changes::descriptors() const noexcept {
  // poll() passes over negative ones.
  return {{{routes_.descriptor(), POLLIN, 0},
           {nftables_.descriptor(), POLLIN, 0},
           {ipsec_.descriptor(), POLLIN, 0}}};
}

bool Changes::take() noexcept {
  const bool routes = routes_.drain();
  const bool nftables = nftables_.drain();
  const bool ipsec = ipsec_.drain();
  return routes || nftables || ipsec;
}

bool Changes::has_ipsec_policies() {
  if (ipsec_questions_.is_absent()) return false;
  constexpr std::uint32_t kFlags = ~std::uint32_t{0};
  Question question(XFRM_MSG_GETSPDINFO, kFlags);
  const auto answer = ipsec_questions_.ask(question, XFRM_MSG_NEWSPDINFO);
  // Without an answer we cannot know.
  if (!answer || answer->size() < sizeof kFlags) return true;
  bool any = false;
  for_each_attribute(answer->subspan(sizeof kFlags), [&any](std::uint16_t attribute, ByteView value) {
    if (attribute != XFRMA_SPD_INFO) return;
    const auto counts = netlink_read<xfrmu_spdinfo>(value);
    any = counts.incnt != 0 || counts.outcnt != 0 || counts.fwdcnt != 0;
  });
  return any;
}

}  // namespace ts::offload
