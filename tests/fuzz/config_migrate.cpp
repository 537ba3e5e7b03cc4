// SPDX-License-Identifier: Apache-2.0
// Any bytes as a turnserver.conf: whatever comes out is a configuration that is accepted.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <turnstone/config/load.hpp>
#include <turnstone/config/migrate.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace config = ts::config;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const config::Migration moved = config::migrate_coturn(text, "turnserver.conf");
  const auto any_certificate = [](const std::string&) {
    return config::FileText{"-----BEGIN CERTIFICATE-----\n", ""};
  };
  if (!config::load(moved.yaml, "new.yaml", {}, {}, any_certificate).ok()) std::abort();
  return 0;
}
