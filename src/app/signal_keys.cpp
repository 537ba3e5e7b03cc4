// SPDX-License-Identifier: Apache-2.0
#include "signal_keys.hpp"

#include <turnstone/config/load.hpp>

namespace ts::app {

Result<std::shared_ptr<const auth::JwtKeys>, std::string> read_signal_keys(const signal::Options& options) {
  auto keys = std::make_shared<auth::JwtKeys>();
  for (const std::string& secret : options.jwt_secrets) keys->add_secret(secret);
  for (const std::string& path : options.jwt_key_files) {
    const config::FileText file = config::read_file(path);
    const std::string name = "signaling.jwt_key_files: \"" + path + "\": ";
    if (!file.error.empty()) return name + file.error;
    const auto added = keys->add(file.text);
    if (!added) return name + added.error();
  }
  return std::shared_ptr<const auth::JwtKeys>(std::move(keys));
}

}  // namespace ts::app
