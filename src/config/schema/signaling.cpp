// SPDX-License-Identifier: Apache-2.0
// The section signaling.
#include "rows.hpp"

namespace ts::config {

void add_signaling(std::vector<Key>& t) {
  t.push_back(one<BoolCodec>(
      TS_AT(signaling_enabled),
      {"signaling.enabled", "", kAny, "The WebSocket signaling endpoint.", "Write true or false."}));
  t.push_back(one<SecretCodec>(TS_AT(signal.token), {"signaling.token",
                                                     "--signaling-token",
                                                     {0, 1024},
                                                     "Token that a client must show.",
                                                     "Make one with: openssl rand -hex 32",
                                                     "the output of: openssl rand -hex 32"}));
  t.push_back(one<PathCodec>(TS_AT(secret_files.token), {"signaling.token_file",
                                                         "",
                                                         {0, 4096},
                                                         "A file that holds the token.",
                                                         "Name a file that the server's user may read.",
                                                         "/run/secrets/turnstone-token"}));
  t.push_back(one<BoolCodec>(
      TS_AT(signal.open), {"signaling.open", "", kAny, "Let everybody in without a token (for development).",
                           "Write true or false."}));
  t.push_back(many<TextCodec>(
      TS_AT(signal.allowed_origins),
      {"signaling.allowed_origins",
       "",
       {1, 512},
       "Origins of web pages that may open a WebSocket, besides pages of this host; \"*\" is any.",
       "Write origins as a browser sends them: scheme, host and port.",
       "\"https://app.example.org\""}));
  t.push_back(many<IceUrlCodec>(
      TS_AT(signal.ice_urls),
      {"signaling.ice_urls",
       "",
       {1, 512},
       "ICE servers that members are told; TURN URLs get a minted credential (needs auth.secrets).",
       "Write URLs as a browser takes them.",
       "\"stun:turn.example.org:3478\", \"turn:turn.example.org:3478\""}));
  t.push_back(
      one<MillisecondsCodec>(TS_AT(signal.hello_timeout), {"signaling.hello_timeout",
                                                           "",
                                                           {100, 5 * kMinute},
                                                           "A connection without a hello by then is closed.",
                                                           "Write a duration with a unit."}));
  t.push_back(one<SecondsCodec>(TS_AT(signal.heartbeat),
                                {"signaling.heartbeat",
                                 "",
                                 {kSecond, 10 * kMinute},
                                 "Clients ping this often; one silent for more than twice as long is closed.",
                                 "Write a duration with a unit."}));
  t.push_back(one<SizeCodec>(TS_AT(signal.max_message_bytes), {"signaling.max_message_size",
                                                               "",
                                                               {1024, 16U << 20},
                                                               "The largest message.",
                                                               "Write a size with a unit."}));
  t.push_back(one<CountCodec>(
      TS_AT(signal.max_members_per_room),
      {"signaling.max_members_per_room", "", {1, 100'000}, "Members of one room.", "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(signal.max_rooms_per_member), {"signaling.max_rooms_per_member",
                                                                   "",
                                                                   {1, 10'000},
                                                                   "Rooms that one member may be in.",
                                                                   "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(signal.max_connections), {"signaling.max_connections",
                                                              "",
                                                              {1, 10'000'000},
                                                              "Connections over the whole server.",
                                                              "Write a number."}));
  t.push_back(
      one<CountCodec>(TS_AT(signal.messages_per_second), {"signaling.messages_per_second",
                                                          "",
                                                          {1, 1'000'000},
                                                          "Messages of one connection in the long run.",
                                                          "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(signal.message_burst), {"signaling.message_burst",
                                                            "",
                                                            {1, 10'000'000},
                                                            "Messages of one connection at once.",
                                                            "Write a number."}));
  t.push_back(
      one<CountCodec>(TS_AT(signal.max_queued_per_target), {"signaling.max_queued_per_target",
                                                            "",
                                                            {0, 100'000},
                                                            "Messages that wait for one absent member.",
                                                            "Write a number."}));
  t.push_back(one<MillisecondsCodec>(TS_AT(signal.max_queue_time), {"signaling.max_queue_time",
                                                                    "",
                                                                    {0, 10 * kMinute},
                                                                    "How long they wait at most.",
                                                                    "Write a duration with a unit."}));
  t.push_back(one<SizeCodec>(TS_AT(signal.max_send_queue_bytes),
                             {"signaling.max_send_queue",
                              "",
                              {4096, 256U << 20},
                              "Text that waits for one slow connection before it is closed.",
                              "Write a size with a unit."}));
}

}  // namespace ts::config
