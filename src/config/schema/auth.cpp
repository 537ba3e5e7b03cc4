// SPDX-License-Identifier: Apache-2.0
// The section auth, but for its realms.
#include "rows.hpp"

namespace ts::config {
namespace {

void add_hook(std::vector<Key>& t) {
  t.push_back(one<HttpUrlCodec>(TS_AT(auth.hook.url), {"auth.hook_url", "", kAny,
                                                       "An external source of credentials that is asked, by "
                                                       "POST, about usernames that no other source knows. "
                                                       "Empty: off.",
                                                       "Write a URL; https unless it is on this host.",
                                                       "https://app.example.org/turn-credentials"}));
  t.push_back(one<SecretCodec>(TS_AT(auth.hook.token),
                               {"auth.hook_token",
                                "",
                                {0, 1024},
                                "Shown to the external source as \"Authorization: Bearer\". Empty: none.",
                                "Make one with: openssl rand -hex 32",
                                "the output of: openssl rand -hex 32"}));
  t.push_back(one<PathCodec>(TS_AT(secret_files.hook_token), {"auth.hook_token_file",
                                                              "",
                                                              {0, 4096},
                                                              "A file that holds that token.",
                                                              "Name a file that the server's user may read.",
                                                              "/run/secrets/turnstone-hook-token"}));
  t.push_back(one<PathCodec>(TS_AT(auth.hook.ca_file),
                             {"auth.hook_ca_file",
                              "",
                              {0, 4096},
                              "Certificates (PEM) that an https external source is trusted by. Empty: the "
                              "system's.",
                              "Name a PEM file that the server's user may read.",
                              "/etc/turnstone/hook-ca.crt"}));
  t.push_back(one<MillisecondsCodec>(TS_AT(auth.hook.timeout),
                                     {"auth.hook_timeout",
                                      "",
                                      {50, kMinute},
                                      "How long the external source may take; then the client gets 500.",
                                      "Write a duration with a unit."}));
  t.push_back(one<SecondsCodec>(TS_AT(auth.hook.cache),
                                {"auth.hook_cache",
                                 "",
                                 {kSecond, kDay},
                                 "How long its answer is kept, if the answer does not say less.",
                                 "Write a duration with a unit."}));
  t.push_back(
      one<SecondsCodec>(TS_AT(auth.hook.negative_cache), {"auth.hook_negative_cache",
                                                          "",
                                                          {kSecond, kHour},
                                                          "How long it is kept that there is no such user.",
                                                          "Write a duration with a unit."}));
  t.push_back(one<CountCodec>(TS_AT(auth.hook.max_in_flight),
                              {"auth.hook_max_in_flight",
                               "",
                               {1, 1024},
                               "Questions to the external source at a time; others wait.",
                               "Write a number."}));
  t.push_back(one<CountCodec>(TS_AT(auth.hook.max_per_source),
                              {"auth.hook_max_per_source", "", kLimit,
                               "Questions in a second that one IPv4 address or IPv6 /64 but loopback may "
                               "cause on each thread; 0 is no limit.",
                               "Write a number."}));
}

}  // namespace

void add_auth(std::vector<Key>& t) {
  t.push_back(
      one<RealmCodec>(TS_AT(auth.realm), {"auth.realm",
                                          "--realm",
                                          {1, 127},
                                          "Realm of the long-term credential mechanism; usually your domain.",
                                          "Write a domain name such as example.org."}));
  t.push_back(many<UserCodec>(
      TS_AT(auth.users),
      {"auth.users", "--user", kAny, "Long-term users, each \"name:password\".",
       "Write name, colon, password; put long lists into auth.users_file.", "\"alice:a long password\""}));
  t.push_back(one<PathCodec>(TS_AT(secret_files.users),
                             {"auth.users_file",
                              "",
                              {0, 4096},
                              "A file with one name:password a line; its users are added to auth.users.",
                              "Name a file of at most 1 MiB that the server's user may read.",
                              "/run/secrets/turnstone-users"}));
  t.push_back(
      many<SecretCodec>(TS_AT(auth.secrets), {"auth.secrets",
                                              "--secret",
                                              {1, 1024},
                                              "Shared secrets of ephemeral credentials (TURN REST). Each one "
                                              "verifies, the first one mints: to rotate, put the "
                                              "new one first.",
                                              "Make one with: openssl rand -hex 32",
                                              "\"the output of: openssl rand -hex 32\""}));
  t.push_back(one<PathCodec>(TS_AT(secret_files.secrets),
                             {"auth.secrets_file",
                              "",
                              {0, 4096},
                              "A file with one secret a line; they come after those of auth.secrets.",
                              "Name a file of at most 1 MiB that the server's user may read.",
                              "/run/secrets/turnstone-secrets"}));
  t.push_back(many<JwtSecretCodec>(
      TS_AT(auth.jwt_secrets),
      {"auth.jwt_secrets", "", JwtSecretCodec::kRange,
       "Secrets of 32 characters or more that sign credentials which are JSON Web Tokens (HS256). Each one "
       "verifies.",
       "Make one with: openssl rand -hex 32", "\"the output of: openssl rand -hex 32\""}));
  t.push_back(one<PathCodec>(TS_AT(secret_files.jwt_secrets),
                             {"auth.jwt_secrets_file",
                              "",
                              {0, 4096},
                              "A file with one secret a line; they come after those of auth.jwt_secrets.",
                              "Name a file of at most 1 MiB that the server's user may read.",
                              "/run/secrets/turnstone-jwt-secrets"}));
  t.push_back(one<TextCodec>(TS_AT(auth.jwt_audience),
                             {"auth.jwt_audience",
                              "",
                              {0, 255},
                              "The aud claim of a token must name this. Empty: it is not looked at.",
                              "Write the name that your application gives this server in aud.",
                              "turn.example.org"}));
  t.push_back(
      many<SecretCodec>(TS_AT(auth.oauth_keys),
                        {"auth.oauth_keys",
                         "",
                         {1, 1024},
                         "Third-party authorization (RFC 7635): keys shared with authorization servers, each "
                         "\"kid:base64-key\" or "
                         "\"kid:base64-key:seconds\", where seconds bounds the life of a token. Empty: off.",
                         "Make a key with: openssl rand -base64 32",
                         "\"2026-11:the output of: openssl rand -base64 32\""}));
  t.push_back(one<TextCodec>(TS_AT(auth.oauth_server_name),
                             {"auth.oauth_server_name",
                              "",
                              {0, 127},
                              "The name of this server that access tokens are made for. Empty: auth.realm.",
                              "Write the server's name.",
                              "turn.example.org"}));
  add_hook(t);
  t.push_back(one<SecondsCodec>(TS_AT(auth.credential_ttl),
                                {"auth.credential_ttl",
                                 "",
                                 {kMinute, 30 * kDay},
                                 "Life of a credential that the server mints for signaling members.",
                                 "Write a duration with a unit."}));
  t.push_back(one<PlainSecondsCodec>(
      TS_AT(auth.nonce_lifetime), {"auth.nonce_lifetime",
                                   "--nonce-lifetime",
                                   {kSecond, kDay},
                                   "How long a nonce is good for before a client is asked to use a new one.",
                                   "Write a duration with a unit."}));
}

}  // namespace ts::config
