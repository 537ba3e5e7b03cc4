// SPDX-License-Identifier: Apache-2.0
// What the server posts to applications: the question about a hello (signaling.hook_...), and the section
// webhooks.
#include "rows.hpp"

namespace ts::config {
namespace {

constexpr const char* kSecretRemedy = "Make one with: echo whsec_$(openssl rand -base64 32)";
constexpr const char* kSecretExample = "whsec_ and the output of: openssl rand -base64 32";

void add_webhook_sources(std::vector<Key>& t) {
  t.push_back(many<HttpUrlCodec>(
      TS_AT(webhooks.urls),
      {"webhooks.urls", "", kAny,
       "Where to post what happens here (docs/webhooks.md); each URL is told of "
       "everything. Empty: off.",
       "Write URLs; https unless they are on this host.", "\"https://app.example.org/turnstone-events\""}));
  t.push_back(many<SecretCodec>(
      TS_AT(webhooks.secrets), {"webhooks.secrets",
                                "",
                                {1, 128},
                                "Secrets (Standard Webhooks: base64 of 24 to 64 bytes, with whsec_ before it "
                                "or not) that sign the posts, each of them.",
                                kSecretRemedy,
                                "\"whsec_ and the output of: openssl rand -base64 32\""}));
  t.push_back(one<PathCodec>(TS_AT(secret_files.webhook_secret),
                             {"webhooks.secret_file",
                              "",
                              {0, 4096},
                              "A file with one secret, in place of webhooks.secrets.",
                              "Name a file that the server's user may read.",
                              "/run/secrets/turnstone-webhooks"}));
  t.push_back(many<TextCodec>(TS_AT(webhooks.events),
                              {"webhooks.events",
                               "",
                               {1, 32},
                               "What to tell of: member.joined, member.left, room.opened, room.empty, "
                               "allocation.ended. Empty: everything.",
                               "Write some of these names.",
                               "member.joined, member.left"}));
}

}  // namespace

void add_signaling_hook(std::vector<Key>& t) {
  t.push_back(one<HttpUrlCodec>(
      TS_AT(signal.hook.url),
      {"signaling.hook_url", "", kAny,
       "An application that is asked, by POST, about tokens that this server cannot "
       "judge by itself (docs/signaling.md). Empty: off.",
       "Write a URL; https unless it is on this host.", "https://app.example.org/turnstone-hello"}));
  t.push_back(one<SecretCodec>(TS_AT(signal.hook.secret),
                               {"signaling.hook_secret",
                                "",
                                {0, 128},
                                "Signs these posts (Standard Webhooks: base64 of 24 to 64 bytes, with whsec_ "
                                "before it or not). Empty: they are not signed.",
                                kSecretRemedy,
                                kSecretExample}));
  t.push_back(
      one<PathCodec>(TS_AT(secret_files.signal_hook_secret), {"signaling.hook_secret_file",
                                                              "",
                                                              {0, 4096},
                                                              "A file that holds that secret.",
                                                              "Name a file that the server's user may read.",
                                                              "/run/secrets/turnstone-signaling-hook"}));
  t.push_back(one<PathCodec>(TS_AT(signal.hook.ca_file),
                             {"signaling.hook_ca_file",
                              "",
                              {0, 4096},
                              "Certificates (PEM) that an https application is trusted by. Empty: the "
                              "system's.",
                              "Name a PEM file that the server's user may read.",
                              "/etc/turnstone/hook-ca.crt"}));
  t.push_back(one<MillisecondsCodec>(TS_AT(signal.hook.timeout),
                                     {"signaling.hook_timeout",
                                      "",
                                      {50, kMinute},
                                      "How long the application may take; then the client gets unavailable.",
                                      "Write a duration with a unit."}));
  t.push_back(one<CountCodec>(TS_AT(signal.hook.max_in_flight),
                              {"signaling.hook_max_in_flight",
                               "",
                               {1, 1024},
                               "Questions to the application at a time; others wait.",
                               "Write a number."}));
  t.push_back(many<TextCodec>(
      TS_AT(signal.hook.can),
      {"signaling.hook_can",
       "",
       {1, 16},
       "The most that the application may let a client do: join, create, send, ice, room, kick, ban.",
       "Write some of: join, create, send, ice, room, kick, ban.",
       "join, create, send, ice"}));
}

void add_webhooks(std::vector<Key>& t) {
  add_webhook_sources(t);
  t.push_back(one<PathCodec>(TS_AT(webhooks.ca_file),
                             {"webhooks.ca_file",
                              "",
                              {0, 4096},
                              "Certificates (PEM) that https URLs are trusted by. Empty: the system's.",
                              "Name a PEM file that the server's user may read.",
                              "/etc/turnstone/webhooks-ca.crt"}));
  t.push_back(one<MillisecondsCodec>(TS_AT(webhooks.timeout), {"webhooks.timeout",
                                                               "",
                                                               {100, kMinute},
                                                               "How long one post may take.",
                                                               "Write a duration with a unit."}));
  t.push_back(one<MillisecondsCodec>(
      TS_AT(webhooks.retry_time), {"webhooks.retry_time",
                                   "",
                                   {0, kDay},
                                   "How long an event is posted again when that fails; then it is dropped.",
                                   "Write a duration with a unit."}));
  t.push_back(one<CountCodec>(TS_AT(webhooks.max_queue),
                              {"webhooks.max_queue",
                               "",
                               {1, 1'000'000},
                               "Events that wait for one URL; beyond them the oldest is dropped.",
                               "Write a number."}));
}

}  // namespace ts::config
