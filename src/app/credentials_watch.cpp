// SPDX-License-Identifier: Apache-2.0
#include "credentials_watch.hpp"

#include <sys/stat.h>

#include <turnstone/app/logging.hpp>
#include <turnstone/config/load.hpp>

namespace ts::app {
namespace {

constexpr std::chrono::seconds kPeriod{1};

}  // namespace

CredentialsWatch::CredentialsWatch(boost::asio::io_context& context, const config::Config& config,
                                   std::function<void(auth::Options)> use)
    : config_(config), use_(std::move(use)), timer_(context) {
  const auto add = [this](const config::CredentialFiles& files) {
    for (const std::string* path : {&files.users, &files.secrets, &files.jwt_secrets}) {
      if (!path->empty()) files_.push_back(*path);
    }
  };
  add(config.secret_files);
  for (const config::CredentialFiles& files : config.secret_files.realms) add(files);
}

CredentialsWatch::Version CredentialsWatch::version_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

CredentialsWatch::Versions CredentialsWatch::versions() const {
  Versions out;
  for (const std::string& path : files_) out.push_back(version_of(path));
  return out;
}

void CredentialsWatch::start() {
  if (files_.empty()) return;
  read_ = seen_ = versions();
  wait();
}

void CredentialsWatch::wait() {
  timer_.expires_after(kPeriod);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopped_) return;
    look();
    wait();
  });
}

void CredentialsWatch::look() {
  const Versions now = versions();
  // A file that is still being written has changed again by the next look; only then is it read.
  if (now == seen_ && now != read_) read();
  seen_ = now;
}

void CredentialsWatch::read() {
  read_ = seen_;
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
