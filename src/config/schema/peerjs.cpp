// SPDX-License-Identifier: Apache-2.0
// The section signaling.peerjs.
#include "rows.hpp"

namespace ts::config {

void add_peerjs(std::vector<Key>& t) {
  t.push_back(one<BoolCodec>(TS_AT(peerjs.enabled),
                             {"signaling.peerjs.enabled", "", kAny,
                              "The server of PeerJS clients (docs/peerjs.md).", "Write true or false."}));
  t.push_back(one<MountPathCodec>(TS_AT(peerjs.path), {"signaling.peerjs.path",
                                                       "",
                                                       {1, 128},
                                                       "Where it is on the HTTP port.",
                                                       "Begin and end with a slash."}));
  t.push_back(one<TextCodec>(TS_AT(peerjs.key), {"signaling.peerjs.key",
                                                 "",
                                                 {1, 128},
                                                 "The key of clients who show their credential as token. It "
                                                 "lets nobody in by itself; any other key must "
                                                 "be a credential.",
                                                 "Write a name."}));
  t.push_back(one<BoolCodec>(TS_AT(peerjs.allow_discovery),
                             {"signaling.peerjs.allow_discovery", "", kAny,
                              "Tell whoever shows a credential as key the ids of all peers (GET .../peers).",
                              "Write true or false."}));
  t.push_back(one<TextCodec>(TS_AT(peerjs.room),
                             {"signaling.peerjs.room",
                              "",
                              {1, 128},
                              "The room that these clients are in, where other dialects meet them.",
                              "Write a name."}));
  t.push_back(one<CountCodec>(
      TS_AT(peerjs.max_members),
      {"signaling.peerjs.max_members", "", kLimit,
       "Members of that room, of all dialects; 0 is no limit. Each that comes or goes costs as much as "
       "there are.",
       "Write a number."}));
  t.push_back(one<MillisecondsCodec>(TS_AT(peerjs.expire_time),
                                     {"signaling.peerjs.expire_time",
                                      "",
                                      {0, 10 * kMinute},
                                      "How long a message waits for a peer that is not there.",
                                      "Write a duration with a unit."}));
}

}  // namespace ts::config
