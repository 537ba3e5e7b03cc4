// SPDX-License-Identifier: Apache-2.0
// Why a request of a member, or a token, was refused.
#pragma once

#include <chrono>
#include <string_view>

#include <turnstone/signal/counters.hpp>

namespace ts::signal {

/// Nothing else has changed, except that the connection may be closed by the Outbox.
struct Failure {
  ErrorCode code = ErrorCode::Internal;
  /// For people; static.
  std::string_view message;
  std::chrono::milliseconds retry_after{0};
};

}  // namespace ts::signal
