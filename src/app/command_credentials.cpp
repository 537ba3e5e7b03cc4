// SPDX-License-Identifier: Apache-2.0
// Ephemeral credentials by draft-uberti-behave-turn-rest-00, and their text forms. Pure.
#include <nlohmann/json.hpp>

#include <turnstone/app/cli.hpp>
#include <turnstone/base/hash.hpp>

namespace ts::app {

EphemeralCredential mint(const std::string& secret, const std::string& user,
                         std::chrono::sys_seconds expiry) {
  EphemeralCredential out;
  out.username = std::to_string(expiry.time_since_epoch().count()) + ':' + user;
  out.password = base64(HmacSha1Key(as_bytes(secret)).sign({as_bytes(out.username)}));
  return out;
}

std::string render(const EphemeralCredential& credential, std::chrono::seconds ttl, CredentialsFormat format,
                   const std::vector<std::string>& urls) {
  using nlohmann::ordered_json;
  ordered_json out;
  switch (format) {
    case CredentialsFormat::Text:
      return "username: " + credential.username + "\npassword: " + credential.password +
             "\nttl: " + std::to_string(ttl.count()) + "s\n";
    case CredentialsFormat::Json:
      out["username"] = credential.username;
      out["password"] = credential.password;
      out["ttl"] = ttl.count();
      if (!urls.empty()) out["uris"] = urls;
      break;
    case CredentialsFormat::Ice:
      out["iceServers"] = ordered_json::array(
          {{{"urls", urls}, {"username", credential.username}, {"credential", credential.password}}});
      break;
  }
  return out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace ts::app
