// SPDX-License-Identifier: Apache-2.0
#include "handle.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <utility>

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "netlink.hpp"

namespace ts::offload {
namespace {

/// "TS" in front: nobody else's filters of our priority are meant.
constexpr std::uint32_t kFirst = 0x54530001;

bool is_byte(std::uint8_t byte, char character) noexcept {
  return byte == static_cast<std::uint8_t>(character);
}

void close_if_open(int descriptor) noexcept {
  if (descriptor >= 0) ::close(descriptor);
}

/// Abstract, the zero in front: it is as wide as the network namespace and ends with the process.
std::string name_of(std::uint32_t number) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "turnstone-offload-%x", static_cast<unsigned>(number));
  return std::string(1, '\0') + text.data();
}

/// Nothing is sent by it. -1: somebody has the name.
int bind_name(std::uint32_t number) {
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = name_of(number);
  std::copy(name.begin(), name.end(), address.sun_path);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), size) == 0) return descriptor;
  ::close(descriptor);
  return -1;
}

/// The user of a socket, if that is its name.
std::optional<uid_t> user_of(Netlink& questions, std::uint32_t inode, const std::string& name) {
  unix_diag_req wanted{};
  wanted.sdiag_family = AF_UNIX;
  wanted.udiag_states = ~std::uint32_t{0};
  wanted.udiag_ino = inode;
  wanted.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_UID;
  wanted.udiag_cookie[0] = wanted.udiag_cookie[1] = ~std::uint32_t{0};
  Question question(SOCK_DIAG_BY_FAMILY, wanted);
  const auto answer = questions.ask(question, SOCK_DIAG_BY_FAMILY);
  if (!answer || answer->size() < sizeof(unix_diag_msg)) return std::nullopt;
  std::optional<uid_t> user;
  bool same = false;
  for_each_attribute(answer->subspan(sizeof(unix_diag_msg)), [&](std::uint16_t attribute, ByteView value) {
    if (attribute == UNIX_DIAG_NAME)
      same = std::equal(value.begin(), value.end(), name.begin(), name.end(), is_byte);
    if (attribute == UNIX_DIAG_UID && value.size() == sizeof(uid_t)) user = netlink_read<uid_t>(value);
  });
  return same ? user : std::nullopt;
}

/// Whether a user has the name who is neither root nor this one. What cannot be told may be a server.
bool is_strangers(std::uint32_t number) {
  Netlink questions(NETLINK_SOCK_DIAG);
  if (!questions.is_open()) return false;
  const std::string name = name_of(number);
  const std::string shown = '@' + name.substr(1);
  std::ifstream sockets("/proc/thread-self/net/unix");
  // Address, users, protocol, flags, type, state, inode, name; which may be anything, line ends included.
  for (std::string line; std::getline(sockets, line);) {
    std::istringstream fields(line);
    std::string skipped;
    std::string path;
    std::uint32_t inode = 0;
    for (int i = 0; i < 6; ++i) fields >> skipped;
    if (!(fields >> inode >> path) || path != shown) continue;
    if (const auto user = user_of(questions, inode, name)) return *user != 0 && *user != ::geteuid();
  }
  return false;
}

/// Nobody but root and this user can put a file there.
bool is_safe(const struct stat& folder) noexcept {
  return S_ISDIR(folder.st_mode) && (folder.st_uid == 0 || folder.st_uid == ::geteuid()) &&
         (folder.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

struct Lock {
  /// -1: there is no folder for it, unless it is taken.
  int descriptor = -1;
  bool taken = false;
  std::string path;
};

/// Network namespaces have files of their own.
Lock lock_file(const std::string& folder, std::uint32_t number) {
  Lock out;
  struct stat is {};
  if (::geteuid() == 0) ::mkdir(folder.c_str(), 0755);
  if (::lstat(folder.c_str(), &is) != 0 || !is_safe(is)) return out;
  struct stat network {};
  if (::stat("/proc/thread-self/ns/net", &network) != 0) return out;
  std::array<char, 64> name{};
  std::snprintf(name.data(), name.size(), "/offload-%llu-%x.lock",
                static_cast<unsigned long long>(network.st_ino), static_cast<unsigned>(number));
  out.path = folder + name.data();
  const int descriptor = ::open(out.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return out;
  // Who had it takes the file away at its end: what we have locked is to be what others find.
  struct stat ours {};
  struct stat found {};
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 || ::fstat(descriptor, &ours) != 0 ||
      ::lstat(out.path.c_str(), &found) != 0 || ours.st_ino != found.st_ino) {
    ::close(descriptor);
    out.taken = true;
    return out;
  }
  out.descriptor = descriptor;
  return out;
}

}  // namespace

std::optional<Handle> Handle::take_one(std::uint32_t index, const std::string& folder, Names names) {
  const std::uint32_t number = kFirst + index;
  Lock lock = lock_file(folder, number);
  if (lock.taken) return std::nullopt;
  const int name = bind_name(number);
  Handle out(number, name, lock.descriptor, std::move(lock.path));
  const bool may_be_strangers = names == Names::Strangers && out.lock_ >= 0;
  if (name < 0 && (!may_be_strangers || !is_strangers(number))) return std::nullopt;
  return out;
}

std::optional<Handle> Handle::take(const std::string& folder) {
  for (const Names names : {Names::Free, Names::Strangers}) {
    for (std::uint32_t i = 0; i < kMostHandles; ++i) {
      if (auto out = take_one(i, folder, names)) return out;
    }
  }
  return std::nullopt;
}

Handle::Handle(std::uint32_t number, int name, int lock, std::string path) noexcept
    : number_(number), name_(name), lock_(lock), path_(std::move(path)) {}

Handle::Handle(Handle&& other) noexcept
    : number_(other.number_),
      name_(std::exchange(other.name_, -1)),
      lock_(std::exchange(other.lock_, -1)),
      path_(std::move(other.path_)) {}

Handle& Handle::operator=(Handle&& other) noexcept {
  std::swap(number_, other.number_);
  std::swap(name_, other.name_);
  std::swap(lock_, other.lock_);
  std::swap(path_, other.path_);
  return *this;
}

Handle::~Handle() {
  if (lock_ >= 0) ::unlink(path_.c_str());
  close_if_open(lock_);
  close_if_open(name_);
}

}  // namespace ts::offload
