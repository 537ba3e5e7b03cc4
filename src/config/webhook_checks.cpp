// SPDX-License-Identifier: Apache-2.0
// What is posted to applications: secrets that are none, names that nobody knows, clear text to other hosts.
#include <algorithm>
#include <span>

#include <turnstone/base/http_url.hpp>
#include <turnstone/base/webhook_signature.hpp>

#include "checks.hpp"
#include "codecs.hpp"

namespace ts::config {
namespace {

void tell(Loading& loading, std::vector<Problem>& to, const std::string& key, std::string expected,
          std::string found, std::string remedy) {
  if (loading.failed.contains(key)) return;
  Problem out;
  out.key = key;
  const auto origin = loading.origins.find(key);
  if (origin != loading.origins.end()) {
    out.source = origin->second.source;
    out.line = origin->second.line;
  }
  out.expected = std::move(expected);
  out.found = std::move(found);
  out.remedy = std::move(remedy);
  to.push_back(std::move(out));
}

void check_secret(Loading& loading, const std::string& key, const std::string& secret) {
  if (secret.empty() || webhook_key(secret)) return;
  tell(loading, loading.problems, key, "base64 of 24 to 64 bytes, with whsec_ before it or not",
       "something else (a secret is not shown)", "Make one with: echo whsec_$(openssl rand -base64 32)");
}

void check_names(Loading& loading, const std::string& key, const std::vector<std::string>& names,
                 std::span<const std::string_view> known) {
  std::string expected;
  for (const std::string_view one : known) expected += (expected.empty() ? "" : ", ") + std::string(one);
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    tell(loading, loading.problems, key, "names among " + expected, '"' + excerpt(name) + '"',
         "Write some of these names.");
  }
}

void check_url(Loading& loading, const std::string& key, const std::string& text, std::string_view what) {
  const auto url = HttpUrl::parse(text);
  if (!url || url->tls || url->is_loopback()) return;
  tell(loading, loading.warnings, key, "https, or a host that is this one", "http to another host",
       std::string(what) + " the network for everybody to read; write https.");
}

}  // namespace

void check_webhooks(Loading& loading) {
  const signal::HookOptions& hook = loading.config.signal.hook;
  const WebhookOptions& webhooks = loading.config.webhooks;
  check_secret(loading, "signaling.hook_secret", hook.secret);
  check_names(loading, "signaling.hook_can", hook.can, signal::kRightNames);
  check_url(loading, "signaling.hook_url", hook.url, "Clients' tokens cross");
  for (const std::string& secret : webhooks.secrets) check_secret(loading, "webhooks.secrets", secret);
  check_names(loading, "webhooks.events", webhooks.events, kWebhookEvents);
  for (const std::string& url : webhooks.urls) {
    check_url(loading, "webhooks.urls", url, "Who meets whom crosses");
    if (url.empty()) {
      tell(loading, loading.problems, "webhooks.urls", "URLs", "an empty one",
           "Write a URL, or leave it out.");
    }
  }
  if (!webhooks.urls.empty() && webhooks.secrets.empty()) {
    tell(loading, loading.problems, "webhooks.urls", "a secret that signs what is posted (webhooks.secrets)",
         "none", "Make one with: echo whsec_$(openssl rand -base64 32)");
  }
}

}  // namespace ts::config
