// SPDX-License-Identifier: Apache-2.0
// Changes: the kernel tells that what happens to packets on this host may have changed: devices, addresses,
// routes and rules for them, nftables, IPsec.
#pragma once

#include <array>

#include <poll.h>

#include "netlink.hpp"

namespace ts::offload {

class Changes {
 public:
  Changes();
  /// False: not all that changes can be followed. A kernel without nftables or IPsec has nothing to tell of
  /// them.
  bool is_open() const noexcept;

  /// To wait for.
  std::array<pollfd, 3> descriptors() const noexcept;
  /// Takes what was told until now; whether that was anything.
  bool take() noexcept;

  /// IPsec applies to some traffic of this host; whether to a flow's, nobody but the kernel can say.
  bool has_ipsec_policies();

 private:
  Netlink routes_;
  Netlink nftables_;
  Netlink ipsec_;
  Netlink ipsec_questions_;
};

}  // namespace ts::offload
