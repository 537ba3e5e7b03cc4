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
  /// For people; static, or as alive as who hands it on says.
  std::string_view message;
  std::chrono::milliseconds retry_after{0};
  /// Of a token: it was made for this server, and is not good. Nobody else is asked about it.
  bool final = false;
};

}  // namespace ts::signal
