// SPDX-License-Identifier: Apache-2.0
// Why the server does not start, in words for the operator.
#pragma once

#include <stdexcept>

namespace ts::app {

/// Thrown by parts that are made at the start, when what the configuration asks of them cannot be had.
struct StartProblem : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace ts::app
