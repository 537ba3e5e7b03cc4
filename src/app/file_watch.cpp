// SPDX-License-Identifier: Apache-2.0
#include "file_watch.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ts::app {

FileWatch::FileWatch(boost::asio::io_context& context, std::vector<std::string> files,
                     std::function<void()> changed, std::chrono::milliseconds interval)
    : files_(std::move(files)), changed_(std::move(changed)), interval_(interval), timer_(context) {}

FileWatch::Version FileWatch::version_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {status.st_ino,
          status.st_size,
          status.st_mtim.tv_sec,
          status.st_mtim.tv_nsec,
          status.st_ctim.tv_sec,
          status.st_ctim.tv_nsec,
          ::faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) == 0};
}

FileWatch::Versions FileWatch::versions() const {
  Versions out;
  for (const std::string& path : files_) out.push_back(version_of(path));
  return out;
}

void FileWatch::start() {
  if (files_.empty()) return;
  read_ = seen_ = versions();
  wait();
}

void FileWatch::watch(std::vector<std::string> files) {
  const bool waits = !files_.empty();
  if (files != files_) marked_.clear();
  files_ = std::move(files);
  if (!waits) start();
  read_ = marked_;
  seen_ = versions();
}

void FileWatch::wait() {
  timer_.expires_after(interval_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopped_) return;
    look();
    wait();
  });
}

void FileWatch::look() {
  const Versions now = versions();
  // A file that is still being written has changed again by the next look; only then is it read.
  if (now == seen_ && now != read_) {
    read_ = seen_;
    changed_();
  }
  seen_ = now;
}

}  // namespace ts::app
