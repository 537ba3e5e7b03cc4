// SPDX-License-Identifier: Apache-2.0
// The sections admin and shutdown.
#include "rows.hpp"

namespace ts::config {

void add_operation(std::vector<Key>& t) {
  t.push_back(one<AddressCodec>(
      TS_AT(admin.bind),
      {"admin.bind", "", kAny, "The address that the admin API listens on.",
       "Write an address of this host; another one than loopback needs a proxy with TLS in front."}));
  t.push_back(one<PortCodec>(TS_AT(admin.port), {"admin.port", "", kAny, "Its TCP port.", "Write a port."}));
  t.push_back(one<SecretCodec>(TS_AT(admin.token),
                               {"admin.token",
                                "",
                                {0, 1024},
                                "Token of 16 characters or more that every request must show. Without one "
                                "there is no admin API.",
                                "Make one with: openssl rand -hex 32",
                                "the output of: openssl rand -hex 32"}));
  t.push_back(one<PathCodec>(TS_AT(secret_files.admin_token), {"admin.token_file",
                                                               "",
                                                               {0, 4096},
                                                               "A file that holds the token.",
                                                               "Name a file that the server's user may read.",
                                                               "/run/secrets/turnstone-admin-token"}));
  t.push_back(many<TextCodec>(
      TS_AT(admin.allowed_hosts),
      {"admin.allowed_hosts",
       "",
       {1, 255},
       "Names that requests may have in Host, besides IP addresses and localhost (against DNS rebinding).",
       "Write host names without a port.",
       "turnstone-admin.internal"}));
  t.push_back(one<MillisecondsCodec>(
      TS_AT(shutdown.drain_timeout),
      {"shutdown.drain_timeout",
       "",
       {0, 7 * kDay},
       "How long SIGTERM waits for allocations and signaling sessions to end; new ones are refused "
       "meanwhile. 0 ends them at once, as does dev mode unless this is set. What starts the server must "
       "wait longer before it kills.",
       "Write a duration with a unit."}));
  t.push_back(one<MillisecondsCodec>(
      TS_AT(shutdown.signaling_spread),
      {"shutdown.signaling_spread",
       "",
       {0, 10 * kMinute},
       "Signaling clients are told to come back elsewhere, each at a time of its own within this; who is "
       "still there a second later is disconnected. No more than fits into shutdown.drain_timeout.",
       "Write a duration with a unit."}));
  t.push_back(many<EndpointCodec>(
      TS_AT(turn.drain_servers),
      {"shutdown.alternate_servers", "", kAny,
       "While the server drains, new allocations are sent there (300, Try Alternate), one server a family. "
       "Without: to relay.alternate_servers, or refused with 508.",
       "Write the other server's address and port.", "\"198.51.100.7:3478\""}));
}

}  // namespace ts::config
