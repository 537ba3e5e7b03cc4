// SPDX-License-Identifier: Apache-2.0
// What tests of mobility (RFC 8016) share.
#pragma once

#include "harness.hpp"

namespace ts::turn::testing {

inline Options mobile() {
  Options out = default_options();
  out.mobility = true;
  return out;
}

/// Empty: there is none.
inline Bytes ticket_of(const Answer& answer) {
  const auto value = answer.attribute(AttributeType::MobilityTicket);
  return value ? Bytes(value->begin(), value->end()) : Bytes{};
}

}  // namespace ts::turn::testing
