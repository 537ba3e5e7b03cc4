// SPDX-License-Identifier: Apache-2.0
// What this host's kernel says: buffers, limits, engines, clock, tracked connections, the relay's ports.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <unistd.h>

#include <turnstone/net/listen.hpp>
#include <turnstone/net/udp_choice.hpp>

#include "gather.hpp"
#include "proc_text.hpp"

namespace ts::app::doctor {
namespace {

constexpr std::size_t kMaxKernelBytes = 65'536;

std::optional<std::uint64_t> kernel_number(const std::string& path) {
  const auto text = read_kernel(path);
  return text ? number(*text) : std::nullopt;
}

/// What a socket gets that asks for as much as can be, as any process does.
std::optional<std::uint64_t> most_granted(int option) {
  const net::Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  int value = 1 << 30;
  socklen_t size = sizeof value;
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, option, &value, size) != 0) return std::nullopt;
  if (::getsockopt(socket.get(), SOL_SOCKET, option, &value, &size) != 0) return std::nullopt;
  // The kernel doubles what it grants, for its own bookkeeping.
  return static_cast<std::uint64_t>(value) / 2;
}

}  // namespace

std::optional<std::string> read_kernel(const std::string& path) {
  const net::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return std::nullopt;
  std::string out(kMaxKernelBytes, '\0');
  std::size_t have = 0;
  while (have < out.size()) {
    const ssize_t got = ::read(file.get(), out.data() + have, out.size() - have);
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  out.resize(have);
  return out;
}

bool has_capability(unsigned number) {
  const auto status = read_kernel("/proc/self/status");
  const auto all = status ? effective_capabilities(*status) : std::nullopt;
  return all && ((*all >> number) & 1U) != 0;
}

RelayRangeFacts look_at_relay_range(const config::Config& config) {
  RelayRangeFacts out;
  out.relay_enabled = config.turn.enabled;
  out.relay = config.turn.ports;
  out.max_allocations = config.turn.max_allocations;
  if (const auto text = read_kernel("/proc/sys/net/ipv4/ip_local_port_range"))
    out.ephemeral = port_range(*text);
  if (const auto text = read_kernel("/proc/sys/net/ipv4/ip_local_reserved_ports"))
    out.reserved = port_ranges(*text);
  if (config.net.udp) out.listened.push_back(config.net.port);
  if (!config.net.alt_addresses.empty()) out.listened.push_back(config.net.alt_port);
  return out;
}

std::vector<BufferFacts> look_at_buffers(const config::Config& config) {
  const std::uint64_t listener = config.net.udp ? config.net.udp_listener_buffer_bytes : 0;
  const std::uint64_t relay = config.turn.enabled ? config.net.udp_relay_buffer_bytes : 0;
  const std::string key = listener >= relay ? "listen.udp_listener_buffer" : "listen.udp_relay_buffer";
  const std::uint64_t wanted = std::max(listener, relay);
  return {{"net.core.rmem_max", most_granted(SO_RCVBUF), key, wanted},
          {"net.core.wmem_max", most_granted(SO_SNDBUF), key, wanted}};
}

LimitFacts look_at_limits(const config::Config& config, int server_process) {
  LimitFacts out;
  out.max_streams = config.net.tcp ? config.net.max_streams : 0;
  out.max_allocations = config.turn.enabled ? config.turn.max_allocations : 0;
  if (server_process != 0) {
    const auto text = read_kernel("/proc/" + std::to_string(server_process) + "/limits");
    if (text) out.descriptors = descriptor_limit(*text);
    out.whose = "of the running server (process " + std::to_string(server_process) + ')';
    if (out.descriptors) return out;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) out.descriptors = limit.rlim_max;
  out.whose = "of what is started from here; that of a service may be another";
  return out;
}

EngineFacts look_at_engines(const config::Config& config) {
  constexpr unsigned kNetAdmin = 12;
  constexpr unsigned kPerfmon = 38;
  constexpr unsigned kBpf = 39;
  EngineFacts out;
  out.wanted = config.net.udp_engine;
  out.ring_works = net::choose_udp_engine(out.wanted, out.why) == net::UdpEngineKind::IoUring;
  if (const auto disabled = kernel_number("/proc/sys/kernel/io_uring_disabled"))
    out.disabled = static_cast<unsigned>(*disabled);
  out.offload = config.offload.mode;
  if (out.offload == offload::Mode::Off) return out;
  if (!has_capability(kBpf)) out.missing_capabilities.emplace_back("CAP_BPF");
  if (!has_capability(kPerfmon)) out.missing_capabilities.emplace_back("CAP_PERFMON");
  if (!has_capability(kNetAdmin)) out.missing_capabilities.emplace_back("CAP_NET_ADMIN");
  return out;
}

ClockFacts look_at_clock() {
  ClockFacts out;
  out.now = std::chrono::duration_cast<std::chrono::seconds>(net::now().wall.time_since_epoch()).count();
  timex state{};
  if (::adjtimex(&state) < 0) return out;
  out.synchronised = (state.status & STA_UNSYNC) == 0;
  out.max_error = std::chrono::microseconds(state.maxerror);
  return out;
}

ConntrackFacts look_at_conntrack(const config::Config& config) {
  ConntrackFacts out;
  out.count = kernel_number("/proc/sys/net/netfilter/nf_conntrack_count");
  out.max = kernel_number("/proc/sys/net/netfilter/nf_conntrack_max");
  const turn::PortRange& ports = config.turn.ports;
  if (config.turn.enabled && ports.low <= ports.high)
    out.relay_ports = static_cast<std::uint64_t>(ports.high - ports.low) + 1;
  return out;
}

}  // namespace ts::app::doctor
