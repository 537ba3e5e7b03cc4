// SPDX-License-Identifier: Apache-2.0
// The sections signaling.socketio and signaling.compat.
#include "rows.hpp"

namespace ts::config {

void add_socketio(std::vector<Key>& t) {
  t.push_back(one<BoolCodec>(
      TS_AT(socketio.enabled),
      {"signaling.socketio.enabled", "", kAny,
       "Socket.IO, for clients of the simple signal server (docs/socketio.md).", "Write true or false."}));
  t.push_back(one<MountPathCodec>(TS_AT(socketio.path), {"signaling.socketio.path",
                                                         "",
                                                         {1, 128},
                                                         "Where it is on the HTTP port.",
                                                         "Begin and end with a slash."}));
  t.push_back(one<MillisecondsCodec>(TS_AT(socketio.ping_interval), {"signaling.socketio.ping_interval",
                                                                     "",
                                                                     {100, 10 * kMinute},
                                                                     "The server pings clients this often.",
                                                                     "Write a duration with a unit."}));
  t.push_back(one<MillisecondsCodec>(TS_AT(socketio.ping_timeout), {"signaling.socketio.ping_timeout",
                                                                    "",
                                                                    {100, 10 * kMinute},
                                                                    "Who does not answer by then is gone.",
                                                                    "Write a duration with a unit."}));
  t.push_back(one<MillisecondsCodec>(TS_AT(socketio.connect_timeout),
                                     {"signaling.socketio.connect_timeout",
                                      "",
                                      {100, 10 * kMinute},
                                      "A client that has not shown a valid token by then is closed.",
                                      "Write a duration with a unit."}));
  t.push_back(
      one<MillisecondsCodec>(TS_AT(socketio.upgrade_timeout), {"signaling.socketio.upgrade_timeout",
                                                               "",
                                                               {100, 10 * kMinute},
                                                               "Time to change from polling to a WebSocket.",
                                                               "Write a duration with a unit."}));
  t.push_back(
      one<SizeCodec>(TS_AT(socketio.max_payload), {"signaling.socketio.max_payload",
                                                   "",
                                                   {1024, 64U << 20},
                                                   "The largest message, or event with its attachments.",
                                                   "Write a size with a unit."}));
  t.push_back(one<SizeCodec>(TS_AT(socketio.max_send_queue_bytes),
                             {"signaling.socketio.max_send_queue",
                              "",
                              {4096, 256U << 20},
                              "What waits for one slow client before it is closed.",
                              "Write a size with a unit."}));
  t.push_back(one<CountCodec>(
      TS_AT(socketio.max_polling_sessions_per_source),
      {"signaling.socketio.max_polling_sessions", "", kLimit,
       "Polling sessions of one IPv4 address or IPv6 /64; 0 is no limit.", "Write a number."}));
  t.push_back(one<TextCodec>(TS_AT(socketio.default_room), {"signaling.socketio.default_room",
                                                            "",
                                                            {1, 128},
                                                            "The room of clients that name none (auth.room).",
                                                            "Write a name."}));
  t.push_back(
      one<CountCodec>(TS_AT(socketio.max_default_room_members),
                      {"signaling.socketio.max_default_room_members", "", kLimit,
                       "Members of that room, in place of signaling.max_members_per_room; 0 is no limit.",
                       "Write a number."}));
  t.push_back(one<BoolCodec>(
      TS_AT(socketio.stamp_from),
      {"signaling.socketio.stamp_from", "", kAny,
       "Write the sender's peer id into each message, and let nobody send before ready: nobody can pose as "
       "somebody else, but messages are not passed on as they came.",
       "Write true or false."}));
  t.push_back(one<BoolCodec>(
      TS_AT(socketio.credentials),
      {"signaling.socketio.cors_credentials", "", kAny,
       "Pages of signaling.allowed_origins may send cookies (withCredentials).", "Write true or false."}));
  t.push_back(one<RecoveryCodec>(
      TS_AT(socketio.recovery),
      {"signaling.socketio.recovery", "", kAny,
       "Whose connections can be recovered with what was missed: of clients that connect with auth.recovery, "
       "or all; it adds an argument to every event.",
       "Write one of the three."}));
  t.push_back(
      one<MillisecondsCodec>(TS_AT(socketio.recovery_time), {"signaling.socketio.recovery_time",
                                                             "",
                                                             {0, 60 * kMinute},
                                                             "How long a lost connection waits for it.",
                                                             "Write a duration with a unit."}));
  t.push_back(one<CountCodec>(TS_AT(socketio.max_recoverable),
                              {"signaling.socketio.max_recoverable",
                               "",
                               {0, 10'000'000},
                               "Lost connections that wait at once; the oldest make room for others.",
                               "Write a number."}));
  t.push_back(one<SizeCodec>(
      TS_AT(socketio.max_recovery_bytes),
      {"signaling.socketio.max_recovery_size",
       "",
       {65'536, 1U << 31},
       "Messages kept for recovery, for all clients together; the oldest make room for others.",
       "Write a size with a unit."}));
  t.push_back(one<BoolCodec>(
      TS_AT(socketio.public_connections),
      {"signaling.compat.public_connections", "", kAny,
       "Let everybody read GET /connections: who is in a Socket.IO room.", "Write true or false."}));
}

}  // namespace ts::config
