// SPDX-License-Identifier: Apache-2.0
#include "credentials_watch.hpp"

#include <string>
#include <vector>

#include <turnstone/app/logging.hpp>
#include <turnstone/config/load.hpp>

namespace ts::app {
namespace {

std::vector<std::string> files_of(const config::Config& config) {
  std::vector<std::string> out;
  const auto add = [&out](const config::CredentialFiles& files) {
    for (const std::string* path : {&files.users, &files.secrets, &files.jwt_secrets}) {
      if (!path->empty()) out.push_back(*path);
    }
  };
  add(config.secret_files);
  for (const config::CredentialFiles& files : config.secret_files.realms) add(files);
  return out;
}

}  // namespace

CredentialsWatch::CredentialsWatch(boost::asio::io_context& context, const config::Config& config,
                                   std::function<void(auth::Options)> use)
    : config_(config), use_(std::move(use)), files_(context, files_of(config), [this] { read(); }) {}

void CredentialsWatch::watch_anew() { files_.watch(files_of(config_)); }

void CredentialsWatch::read() {
  config::CredentialsResult result = config::reload_credentials(config_);
  if (!result.problems.empty()) {
    for (const config::Problem& problem : result.problems) {
      log::error("credentials not reloaded, the former ones stay", {{"problem", problem.to_string()}});
    }
    return;
  }
  const std::size_t users = result.auth.users.size();
  const std::size_t secrets = result.auth.secrets.size();
  const std::size_t jwt_secrets = result.auth.jwt_secrets.size();
  const std::size_t realms = result.auth.realms.size();
  use_(std::move(result.auth));
  log::info("credentials reloaded",
            {{"users", users}, {"secrets", secrets}, {"jwt_secrets", jwt_secrets}, {"realms", realms}});
}

}  // namespace ts::app
