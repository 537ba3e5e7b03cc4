// SPDX-License-Identifier: Apache-2.0
// The keys that check the tokens of signaling, read from the configuration and its files.
#pragma once

#include <memory>
#include <string>

#include <turnstone/auth/jwt_keys.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/signal/options.hpp>

namespace ts::app {

/// All keys; or what is wrong with one of the files, as a line for the operator.
Result<std::shared_ptr<const auth::JwtKeys>, std::string> read_signal_keys(const signal::Options& options);

}  // namespace ts::app
