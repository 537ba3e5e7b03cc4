// SPDX-License-Identifier: Apache-2.0
// The text forms of ephemeral credentials. Pure.
#include <nlohmann/json.hpp>

#include <turnstone/app/cli.hpp>

namespace ts::app {

std::string render(const auth::Minted& credential, std::chrono::seconds ttl, CredentialsFormat format,
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
