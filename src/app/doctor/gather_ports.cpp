// SPDX-License-Identifier: Apache-2.0
// Who has the listening ports, read off the kernel's tables: binding them would disturb a server that starts.
#include <fstream>
#include <map>
#include <optional>
#include <utility>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../probe/text.hpp"
#include "gather.hpp"
#include "proc_text.hpp"

namespace ts::app::doctor {
namespace {

constexpr unsigned kListening = 0x0A;
/// Tables may be huge; what takes longer than this is left.
constexpr std::chrono::milliseconds kTableTime{500};
constexpr std::chrono::milliseconds kProcessTime{1500};

struct Wanted {
  std::string key;
  bool udp = false;
  std::uint16_t port = 0;
  /// Empty: all addresses.
  std::vector<IpAddress> bind;
};

std::vector<Wanted> wanted_ports(const config::Config& config) {
  const net::Options& net = config.net;
  const bool tls = !net.tls_cert_file.empty() || net.tls_self_signed;
  std::vector<Wanted> out;
  const auto add = [&](bool on, const char* key, bool udp, std::uint16_t port,
                       const std::vector<IpAddress>& bind) {
    if (on && port != 0) out.push_back({key, udp, port, bind});
  };
  add(net.udp, "listen.port", true, net.port, net.bind);
  add(net.tcp, "listen.port", false, net.port, net.bind);
  add(tls && net.tcp, "listen.tls_port", false, net.tls_port, net.bind);
  add(tls && net.udp, "listen.dtls_port", true, net.dtls_port, net.bind);
  add(net.http_port != net.port || !net.tcp, "listen.http_port", false, net.http_port, net.bind);
  add(net.udp && !net.alt_addresses.empty(), "listen.alt_port", true, net.alt_port, net.alt_addresses);
  add(config.admin.is_enabled(), "admin.port", false, config.admin.port, {config.admin.bind});
  return out;
}

bool in_the_way(const std::vector<IpAddress>& bind, const IpAddress& taken) {
  if (bind.empty() || taken.is_unspecified()) return true;
  return std::any_of(bind.begin(), bind.end(), [&](const IpAddress& one) {
    return one.is_unspecified() ? one.family() == taken.family() : one == taken;
  });
}

/// The sockets of one protocol that are bound, or listen, at one of the ports.
class Table {
 public:
  Table(bool udp, const std::vector<Wanted>& wanted) : udp_(udp), wanted_(wanted) {
    const std::string name = udp ? "/proc/net/udp" : "/proc/net/tcp";
    readable_ = read(name);
    // A kernel without IPv6 does not have this one.
    if (::access((name + '6').c_str(), F_OK) == 0) readable_ = read(name + '6') && readable_;
  }
  bool is_readable() const noexcept { return readable_; }
  const std::vector<SocketLine>& lines() const noexcept { return lines_; }

 private:
  bool read(const std::string& path) {
    const TimePoint end = net::now().mono + kTableTime;
    std::ifstream file(path);
    std::string line;
    if (!std::getline(file, line)) return false;
    for (std::size_t count = 0; std::getline(file, line); ++count) {
      const auto socket = socket_line(line);
      if (!socket) continue;
      // Listeners stand in front of connections, of which there may be very many.
      if (!udp_ && socket->state != kListening) return true;
      const bool of_interest = std::any_of(wanted_.begin(), wanted_.end(), [&](const Wanted& w) {
        return w.udp == udp_ && w.port == socket->local.port;
      });
      if (of_interest) lines_.push_back(*socket);
      if (count % 1024 == 0 && net::now().mono > end) return false;
    }
    return true;
  }

  bool udp_;
  const std::vector<Wanted>& wanted_;
  bool readable_ = false;
  std::vector<SocketLine> lines_;
};

struct Process {
  int id = 0;
  std::string name;
  /// It runs this very program, whatever its name, or one that is called as ours is.
  bool is_turnstone = false;
};

/// What a process executes: the device and the inode. Nothing: it is not for us.
std::optional<std::pair<dev_t, ino_t>> program_of(const std::string& folder) {
  struct stat file {};
  if (::stat((folder + "/exe").c_str(), &file) != 0) return std::nullopt;
  return std::pair(file.st_dev, file.st_ino);
}

/// Which process has a socket; those that we may not look into are missing.
class Owners {
 public:
  explicit Owners(const std::vector<SocketLine>& sockets) {
    for (const SocketLine& socket : sockets) owners_[socket.inode] = {};
    if (!owners_.empty()) search();
  }
  const Process* of(std::uint64_t inode) const {
    const auto found = owners_.find(inode);
    return found == owners_.end() || found->second.id == 0 ? nullptr : &found->second;
  }

 private:
  void search() {
    const TimePoint end = net::now().mono + kProcessTime;
    DIR* const all = ::opendir("/proc");
    if (all == nullptr) return;
    while (const dirent* entry = ::readdir(all)) {
      if (missing() == 0 || net::now().mono > end) break;
      const auto id = number(entry->d_name);
      if (id) search(static_cast<int>(*id), end);
    }
    ::closedir(all);
  }

  void search(int id, TimePoint end) {
    const std::string folder = "/proc/" + std::to_string(id);
    DIR* const all = ::opendir((folder + "/fd").c_str());
    if (all == nullptr) return;
    std::size_t count = 0;
    while (const dirent* entry = ::readdir(all)) {
      if (++count % 1024 == 0 && net::now().mono > end) break;
      char target[64];
      const ssize_t size = ::readlinkat(::dirfd(all), entry->d_name, target, sizeof target);
      if (size <= 0) continue;
      constexpr std::string_view kSocket = "socket:[";
      std::string_view text(target, static_cast<std::size_t>(size));
      if (!text.starts_with(kSocket) || !text.ends_with(']')) continue;
      text = text.substr(kSocket.size(), text.size() - kSocket.size() - 1);
      const auto inode = number(text);
      const auto found = inode ? owners_.find(*inode) : owners_.end();
      if (found == owners_.end() || found->second.id != 0) continue;
      found->second = process(id, folder);
    }
    ::closedir(all);
  }

  Process process(int id, const std::string& folder) const {
    const auto name = read_kernel(folder + "/comm");
    Process out{id, name ? probe::printable(probe::trimmed(*name), 64) : "?"};
    // After an upgrade the server still runs what was replaced.
    out.is_turnstone = out.name == "turnstone" || (own_program_ && program_of(folder) == own_program_);
    return out;
  }

  std::size_t missing() const {
    return static_cast<std::size_t>(
        std::count_if(owners_.begin(), owners_.end(), [](const auto& one) { return one.second.id == 0; }));
  }

  const std::optional<std::pair<dev_t, ino_t>> own_program_ = program_of("/proc/self");
  std::map<std::uint64_t, Process> owners_;
};

PortFacts look_at(const Wanted& wanted, const Table& table, const Owners& owners) {
  PortFacts out{wanted.key, wanted.udp, wanted.port, std::nullopt};
  if (table.is_readable()) out.holder = Holder::Nobody;
  for (const SocketLine& socket : table.lines()) {
    if (socket.local.port != wanted.port || !in_the_way(wanted.bind, socket.local.address)) continue;
    const Process* process = owners.of(socket.inode);
    if (process == nullptr) {
      out.holder = out.holder == Holder::Turnstone ? Holder::Turnstone : Holder::NotKnown;
    } else if (process->is_turnstone) {
      out.holder = Holder::Turnstone;
      out.servers.push_back(process->id);
    } else {
      out.holder = Holder::Stranger;
      out.who = process->name + " (process " + std::to_string(process->id) + ')';
      return out;
    }
  }
  return out;
}

}  // namespace

PortsLook look_at_ports(const config::Config& config) {
  constexpr unsigned kNetBindService = 10;
  PortsLook out;
  const std::vector<Wanted> wanted = wanted_ports(config);
  const Table udp(true, wanted);
  const Table tcp(false, wanted);
  std::vector<SocketLine> sockets = udp.lines();
  sockets.insert(sockets.end(), tcp.lines().begin(), tcp.lines().end());
  const Owners owners(sockets);
  for (const Wanted& one : wanted) out.facts.ports.push_back(look_at(one, one.udp ? udp : tcp, owners));
  out.server_process = running_server(out.facts);
  const auto first = read_kernel("/proc/sys/net/ipv4/ip_unprivileged_port_start");
  const auto value = first ? number(*first) : std::nullopt;
  if (value)
    out.facts.first_unprivileged = static_cast<std::uint16_t>(std::min<std::uint64_t>(*value, 65'535));
  out.facts.may_bind_privileged = has_capability(kNetBindService);
  return out;
}

}  // namespace ts::app::doctor
