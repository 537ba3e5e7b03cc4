// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets of turn::Server share: small limits, so that they are reached, and a way to say what
// broke.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "../machine/harness.hpp"

namespace ts::turn::testing {

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

inline Options fuzz_options() {
  Options o = tight_options(5, 3, 4, 3);
  o.peers.deny = {IpNetwork::parse("9.9.9.0/24").value()};
  o.peers.own_endpoints = {ep("198.41.0.4:3478")};
  return o;
}

}  // namespace ts::turn::testing
