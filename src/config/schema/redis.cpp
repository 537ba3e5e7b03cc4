// SPDX-License-Identifier: Apache-2.0
// The section signaling.redis.
#include "rows.hpp"

namespace ts::config {

void add_redis(std::vector<Key>& t) {
  t.push_back(one<RedisUrlCodec>(TS_AT(signal.cluster.redis_url),
                                 {"signaling.redis.url", "", kAny,
                                  "The Redis (6 or later) or Valkey that the nodes meet over; rediss is TLS.",
                                  "Write redis://HOST:PORT or rediss://HOST:PORT; name and password have "
                                  "keys of their own.",
                                  "rediss://redis.example.org:6380"}));
  t.push_back(one<TextCodec>(TS_AT(signal.cluster.redis_username), {"signaling.redis.username",
                                                                    "",
                                                                    {0, 255},
                                                                    "Its ACL user. Empty: the default user.",
                                                                    "Write the name of an ACL user.",
                                                                    "turnstone"}));
  t.push_back(
      one<SecretCodec>(TS_AT(signal.cluster.redis_password), {"signaling.redis.password",
                                                              "",
                                                              {0, 1024},
                                                              "The user's password. Empty: none is shown.",
                                                              "Make one with: openssl rand -hex 32",
                                                              "the output of: openssl rand -hex 32"}));
  t.push_back(
      one<PathCodec>(TS_AT(secret_files.redis_password), {"signaling.redis.password_file",
                                                          "",
                                                          {0, 4096},
                                                          "A file that holds the password.",
                                                          "Name a file that the server's user may read.",
                                                          "/run/secrets/turnstone-redis"}));
  t.push_back(one<PathCodec>(TS_AT(signal.cluster.redis_ca_file),
                             {"signaling.redis.ca_file",
                              "",
                              {0, 4096},
                              "Certificates (PEM) that Redis is trusted by. Empty: the system's.",
                              "Name a PEM file that the server's user may read.",
                              "/etc/turnstone/redis-ca.crt"}));
  t.push_back(one<PathCodec>(TS_AT(signal.cluster.redis_cert_file),
                             {"signaling.redis.cert_file",
                              "",
                              {0, 4096},
                              "A certificate (PEM) that Redis is shown, where it asks for one.",
                              "Name a PEM file that the server's user may read.",
                              "/etc/turnstone/redis.crt"}));
  t.push_back(one<PathCodec>(TS_AT(signal.cluster.redis_key_file),
                             {"signaling.redis.key_file",
                              "",
                              {0, 4096},
                              "Its key (PEM).",
                              "Name a PEM file that the server's user may read.",
                              "/etc/turnstone/redis.key"}));
  t.push_back(one<TextCodec>(TS_AT(signal.cluster.redis_prefix),
                             {"signaling.redis.prefix",
                              "",
                              {1, 128},
                              "Begins the names of the channels: nodes with the same one are together.",
                              "Write a word."}));
  t.push_back(one<SecretCodec>(
      TS_AT(signal.cluster.cluster_secret),
      {"signaling.redis.cluster_secret",
       "",
       {0, 1024},
       "The same at all nodes: each signs what it says with it, and hears nobody who does not. At least 16 "
       "characters; none is for dev alone.",
       "Make one with: openssl rand -hex 32",
       "the output of: openssl rand -hex 32"}));
  t.push_back(
      one<PathCodec>(TS_AT(secret_files.cluster_secret), {"signaling.redis.cluster_secret_file",
                                                          "",
                                                          {0, 4096},
                                                          "A file that holds the secret of the nodes.",
                                                          "Name a file that the server's user may read.",
                                                          "/run/secrets/turnstone-cluster"}));
}

}  // namespace ts::config
