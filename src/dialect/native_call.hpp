// SPDX-License-Identifier: Apache-2.0
// A message of the native dialect that is being handled.
#pragma once

#include <string_view>

#include <turnstone/dialect/native.hpp>

#include "native_request.hpp"

namespace ts::dialect {

/// One message under way.
struct Native::Call {
  const Now& now;
  signal::ConnectionId connection;
  const native::Request& request;
  std::string_view text;
  Frames& out;

  std::string_view id() const noexcept { return request.id.raw; }
};

}  // namespace ts::dialect
