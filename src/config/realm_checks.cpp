// SPDX-License-Identifier: Apache-2.0
// What is wrong with realms, beyond their single keys.
#include <algorithm>
#include <array>
#include <map>

#include <turnstone/base/precis.hpp>

#include "checks.hpp"
#include "codecs.hpp"

namespace ts::config {
namespace {

/// Far below what auth::RealmId can number.
constexpr std::size_t kMaxRealms = 1000;

class RealmChecks {
 public:
  explicit RealmChecks(Loading& loading) : loading_(loading), c_(loading.config) {}

  void run() {
    if (c_.auth.realms.empty()) return;
    if (c_.auth.realms.size() > kMaxRealms) {
      problem("auth.realms", "", "at most 1000 realms", std::to_string(c_.auth.realms.size()),
              "Run a second server.");
      return;
    }
    names_.emplace(prepared(c_.auth.realm), "auth.realm");
    for (std::size_t i = 0; i < c_.auth.realms.size(); ++i) {
      path_ = "auth.realms[" + std::to_string(i) + ']';
      realm(c_.auth.realms[i]);
    }
  }

 private:
  static std::string prepared(const std::string& name) { return opaque_string(name).value_or(name); }

  /// About `path` and one of its keys, unless that is known to be wrong already.
  void problem(const std::string& path, const std::string& leaf, std::string expected, std::string found,
               std::string remedy) {
    Problem out;
    out.key = leaf.empty() ? path : path + '.' + leaf;
    if (loading_.failed.contains(out.key)) return;
    auto origin = loading_.origins.find(out.key);
    if (origin == loading_.origins.end()) origin = loading_.origins.find(path);
    if (origin != loading_.origins.end()) {
      out.source = origin->second.source;
      out.line = origin->second.line;
    }
    out.expected = std::move(expected);
    out.found = std::move(found);
    out.remedy = std::move(remedy);
    loading_.problems.push_back(std::move(out));
  }

  /// A thing that one realm alone may have.
  void claim(std::map<std::string, std::string>& claimed, const char* leaf, const std::string& what,
             const std::string& shown) {
    const auto [at, is_new] = claimed.emplace(what, path_);
    if (is_new) return;
    problem(path_, leaf, "what no other realm has", '"' + excerpt(shown) + "\", which " + at->second + " has",
            "Give it to one of the two.");
  }

  void realm(const auth::RealmOptions& realm) {
    if (realm.name.empty()) {
      problem(path_, "name", "a name", "none", "Write the realm's name, such as eu.example.org.");
    } else {
      claim(names_, "name", prepared(realm.name), realm.name);
    }
    if (realm.origins.empty() && realm.listeners.empty() && !failed("origins") && !failed("listeners")) {
      problem(path_, "", "origins or listeners by which it is met", "neither", "Add one of the two.");
    }
    const bool any = !realm.users.empty() || !realm.secrets.empty() || !realm.jwt_secrets.empty();
    const auto wrong = [this](const char* leaf) { return failed(leaf); };
    constexpr std::array kSources{"users",        "users_file",  "secrets",
                                  "secrets_file", "jwt_secrets", "jwt_secrets_file"};
    if (!any && std::none_of(kSources.begin(), kSources.end(), wrong)) {
      problem(path_, "", "a source of credentials", "none", "Add users, secrets or jwt_secrets to it.");
    }
    for (const std::string& origin : realm.origins) claim(origins_, "origins", origin, origin);
    for (const auth::RealmListener& listener : realm.listeners) {
      const std::string text = ListenerCodec::print(listener);
      claim(listeners_, "listeners", text, text);
      if (!is_ours(listener.port)) {
        problem(path_, "listeners", "a port of the section listen", '"' + text + '"',
                "Write a port that the server listens on.");
      }
    }
  }

  bool failed(const char* leaf) const { return loading_.failed.contains(path_ + '.' + leaf); }

  bool is_ours(std::uint16_t port) const {
    const auto& net = c_.net;
    const std::array ports{net.port, net.tls_port, net.dtls_port, net.alt_port, net.http_port};
    // 0: the kernel chooses, and nobody knows yet.
    return std::any_of(ports.begin(), ports.end(), [&](std::uint16_t p) { return p == port || p == 0; });
  }

  Loading& loading_;
  const Config& c_;
  std::string path_;
  std::map<std::string, std::string> names_;
  std::map<std::string, std::string> origins_;
  std::map<std::string, std::string> listeners_;
};

}  // namespace

void check_realms(Loading& loading) { RealmChecks(loading).run(); }

}  // namespace ts::config
