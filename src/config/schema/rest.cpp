// SPDX-License-Identifier: Apache-2.0
// The sections metrics and log, and what stands in none.
#include "rows.hpp"

namespace ts::config {

void add_rest(std::vector<Key>& t) {
  t.push_back(one<BoolCodec>(TS_AT(metrics.enabled),
                             {"metrics.enabled", "", kAny, "Serve /metrics (Prometheus) on the HTTP port.",
                              "Write true or false."}));
  t.push_back(many<NetworkCodec>(TS_AT(metrics.allow_from),
                                 {"metrics.allow_from", "", kAny, "Networks that may read /metrics.",
                                  "Write networks in CIDR notation."}));
  t.push_back(one<LogLevelCodec>(
      TS_AT(log.level), {"log.level", "--log-level", kAny, "The least severe lines that are written.",
                         "Write one of the levels."}));
  t.push_back(one<LogFormatCodec>(
      TS_AT(log.format), {"log.format", "--log-format", kAny,
                          "Lines for people (text) or for machines (json).", "Write text or json."}));
  t.push_back(one<BoolCodec>(TS_AT(dev), {"dev", "--dev", kAny,
                                          "Development: private and loopback peers, open signaling, a "
                                          "self-signed certificate and a random secret where none "
                                          "is given. Never on a public host.",
                                          "Write true or false."}));
}

}  // namespace ts::config
