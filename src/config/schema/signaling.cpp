// SPDX-License-Identifier: Apache-2.0
// The section signaling.
#include "rows.hpp"

namespace ts::config {

namespace {

void add_tokens(std::vector<Key>& t) {
  t.push_back(many<JwtSecretCodec>(
      TS_AT(signal.jwt_secrets),
      {"signaling.jwt_secrets", "", JwtSecretCodec::kRange,
       "Secrets of 32 characters or more that sign JSON Web Tokens (HS256) which clients may show instead of "
       "the "
       "token. Each one verifies.",
       "Make one with: openssl rand -hex 32", "\"the output of: openssl rand -hex 32\""}));
  t.push_back(
      many<PathCodec>(TS_AT(signal.jwt_key_files), {"signaling.jwt_key_files",
                                                    "",
                                                    {1, 4096},
                                                    "Files of keys that check JSON Web Tokens: PEM public "
                                                    "keys, or a JWK Set (RS256, ES256, EdDSA, HS256). Read "
                                                    "anew when they change.",
                                                    "Name files that the server's user may read.",
                                                    "/etc/turnstone/jwks.json"}));
  t.push_back(one<TextCodec>(TS_AT(signal.jwt_audience),
                             {"signaling.jwt_audience",
                              "",
                              {0, 255},
                              "The aud claim of such a token must name this. Empty: it is not looked at.",
                              "Write the name that your application gives this server in aud.",
                              "signal.example.org"}));
  t.push_back(
      one<TextCodec>(TS_AT(signal.jwt_issuer), {"signaling.jwt_issuer",
                                                "",
                                                {0, 255},
                                                "The iss claim must be this. Empty: it is not looked at.",
                                                "Write what your identity provider puts into iss.",
                                                "https://id.example.org"}));
}

void add_resume(std::vector<Key>& t) {
  t.push_back(one<MillisecondsCodec>(
      TS_AT(signal.resume_time),
      {"signaling.resume_time",
       "",
       {0, 10 * kMinute},
       "How long a client whose connection was lost stays in its rooms and may resume; 0 is not at all.",
       "Write a duration with a unit."}));
  t.push_back(one<CountCodec>(
      TS_AT(signal.max_resume_messages),
      {"signaling.max_resume_messages",
       "",
       {1, 100'000},
       "Messages kept for one client until it acknowledges them; what it missed beyond that ends its resume.",
       "Write a number."}));
  t.push_back(
      one<SizeCodec>(TS_AT(signal.max_resume_bytes), {"signaling.max_resume_size",
                                                      "",
                                                      {4096, 256U << 20},
                                                      "The same in bytes; where it is not written, it "
                                                      "keeps between max_message_size and "
                                                      "max_send_queue.",
                                                      "Write a size with a unit."}));
  t.push_back(one<SizeCodec>(TS_AT(signal.max_resume_total_bytes), {"signaling.max_resume_total",
                                                                    "",
                                                                    {65'536, 1U << 31},
                                                                    "The same for all clients together.",
                                                                    "Write a size with a unit."}));
}

void add_rates(std::vector<Key>& t) {
  t.push_back(one<CountCodec>(
      TS_AT(signal.messages_per_second),
      {"signaling.messages_per_second",
       "",
       {0, 1'000'000},
       "Messages of one connection in the long run, unless its token says otherwise; 0 is no limit.",
       "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(signal.message_burst), {"signaling.message_burst",
                                                            "",
                                                            {1, 10'000'000},
                                                            "Messages of one connection at once.",
                                                            "Write a number."}));
  t.push_back(one<SizeCodec>(TS_AT(signal.bytes_per_second),
                             {"signaling.bytes_per_second",
                              "",
                              {0, 1U << 30},
                              "Bytes of one connection's messages in the long run; four seconds' worth may "
                              "come at once. 0 is no limit.",
                              "Write a size with a unit."}));
  t.push_back(
      one<CountCodec>(TS_AT(signal.joins_per_second), {"signaling.joins_per_second",
                                                       "",
                                                       {0, 1'000'000},
                                                       "Joins of one connection in the long run; at once "
                                                       "four seconds' worth, or as many as the rooms that it "
                                                       "may be in. 0 is no limit.",
                                                       "Write a number."}));
  t.push_back(one<CountCodec>(
      TS_AT(signal.address_messages_per_second),
      {"signaling.address_messages_per_second",
       "",
       {0, 100'000'000},
       "Messages of all connections of one address (IPv6: a /64; not loopback and private ones) together; "
       "four seconds' worth "
       "may come at once. 0 is no limit: write that behind a proxy that does not tell addresses.",
       "Write a number."}));
  t.push_back(
      one<SizeCodec>(TS_AT(signal.address_bytes_per_second), {"signaling.address_bytes_per_second",
                                                              "",
                                                              {0, 1U << 31},
                                                              "Bytes of their messages, in the same way.",
                                                              "Write a size with a unit."}));
  t.push_back(one<CountCodec>(TS_AT(signal.address_joins_per_second), {"signaling.address_joins_per_second",
                                                                       "",
                                                                       {0, 10'000'000},
                                                                       "Their joins, in the same way.",
                                                                       "Write a number."}));
}

void add_nodes(std::vector<Key>& t) {
  t.push_back(one<BackplaneCodec>(
      TS_AT(signal.cluster.backplane),
      {"signaling.backplane", "", kAny,
       "Where members are: at this node alone (memory), or at any of several that meet over Redis "
       "(docs/several-nodes.md).",
       "Write memory or redis."}));
  t.push_back(one<HttpUrlCodec>(
      TS_AT(signal.cluster.node_url),
      {"signaling.node_url", "", kAny,
       "Where the other nodes reach this one's HTTP port: they pass on to it what their clients ask of its "
       "sessions. Empty: long polling needs a balancer with sticky sessions.",
       "Write this node's own address and HTTP port, not the balancer's.", "http://10.0.0.7:8080"}));
  t.push_back(one<CountCodec>(
      TS_AT(signal.cluster.max_forwarded),
      {"signaling.max_forwarded",
       "",
       {1, 1'000'000},
       "Requests that this node passes on to others at once; WebSockets take half of it at most.",
       "Write a number."}));
}

}  // namespace

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
  t.push_back(many<TextCodec>(
      TS_AT(signal.token_can),
      {"signaling.token_can",
       "",
       {1, 16},
       "What clients with the token may do: join, create (a room), send, ice, room (options of any room they "
       "are in), kick, ban. Who is in a room longest moderates it anyway.",
       "Write some of: join, create, send, ice, room, kick, ban.",
       "join, create, send, ice"}));
  add_tokens(t);
  add_signaling_hook(t);
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
      one<BoolCodec>(TS_AT(signal.bind_turn), {"signaling.bind_turn", "", kAny,
                                               "Bind those credentials to the member and its room: they are "
                                               "revoked, and allocations end, when it leaves.",
                                               "Write true or false."}));
  t.push_back(one<BoolCodec>(
      TS_AT(signal.closed_relay),
      {"signaling.closed_relay", "", kAny,
       "Members' allocations reach only what room-mates announce as candidates.", "Write true or false."}));
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
  add_rates(t);
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
  add_resume(t);
  add_nodes(t);
}

}  // namespace ts::config
