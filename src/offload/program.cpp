// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#if defined(TURNSTONE_BPF)

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <turnstone/base/bytes.hpp>

namespace ts::offload {

/// src/offload/bpf/relay.bpf.c, compiled.
ByteView relay_object() noexcept;

namespace {

/// Before the filters that others attach as a rule (tc numbers them from 49152 on), after what asks to be
/// first.
constexpr std::uint32_t kPriority = 3478;

/// What libbpf said last, on this thread: its calls return a bare errno.
thread_local std::string g_said;

__attribute__((format(printf, 2, 0))) int note(enum libbpf_print_level level, const char* format,
                                               va_list values) {
  if (level == LIBBPF_DEBUG) return 0;
  std::array<char, 512> line{};
  const int length = std::vsnprintf(line.data(), line.size(), format, values);
  std::string text(line.data());
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (!text.empty() && g_said.size() < 2000) g_said += (g_said.empty() ? "" : "; ") + text;
  return length;
}

std::string explain(const char* what, int error) {
  std::string out = std::string(what) + ": " + std::strerror(error);
  if (error == EPERM || error == EACCES) {
    out += "; it needs CAP_BPF and CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_BPF CAP_NET_ADMIN)";
  } else if (error == EINVAL || error == ENOSYS || error == EOPNOTSUPP) {
    out +=
        "; it needs Linux 5.15 or later with CONFIG_BPF_SYSCALL, CONFIG_NET_CLS_BPF and CONFIG_NET_CLS_ACT";
  }
  if (!g_said.empty()) out += " (libbpf: " + g_said.substr(0, 300) + ')';
  return out;
}

}  // namespace

struct Program::Impl {
  struct Filter {
    std::uint32_t device;
    std::uint32_t handle;
    bpf_tc_attach_point where;
    int program;
  };

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    for (const Filter& filter : filters) detach(filter);
    if (shared != nullptr) ::munmap(shared, sizeof *shared);
    if (counts != nullptr) ::munmap(counts, kCountsBytes);
    if (legs != nullptr) ::munmap(legs, kLegsBytes);
    if (barrier >= 0) ::close(barrier);
    bpf_object__close(object);
  }

  /// It is there and ours; the device may be gone.
  static bool is_attached(const Filter& filter) noexcept {
    bpf_tc_hook hook = hook_of(filter.device, filter.where);
    bpf_tc_opts options{};
    options.sz = sizeof options;
    options.handle = filter.handle;
    options.priority = kPriority;
    return bpf_tc_query(&hook, &options) == 0 && options.prog_id == id_of(filter.program);
  }

  static void detach(const Filter& filter) noexcept {
    if (is_attached(filter)) remove(filter.device, filter.handle, filter.where);
  }

  static void remove(std::uint32_t device, std::uint32_t handle, bpf_tc_attach_point where) noexcept {
    bpf_tc_hook hook = hook_of(device, where);
    bpf_tc_opts options{};
    options.sz = sizeof options;
    options.handle = handle;
    options.priority = kPriority;
    static_cast<void>(bpf_tc_detach(&hook, &options));
  }

  std::optional<std::string> attach(const Filter& filter) {
    bpf_tc_hook hook = hook_of(filter.device, filter.where);
    bpf_tc_opts options{};
    options.sz = sizeof options;
    options.prog_fd = filter.program;
    options.handle = filter.handle;
    options.priority = kPriority;
    options.flags = BPF_TC_F_REPLACE;
    if (const int failed = bpf_tc_attach(&hook, &options); failed != 0)
      return explain("the filter is refused", -failed);
    // It may be in the place of one that somebody took away.
    const auto is_it = [&](const Filter& f) { return f.device == filter.device && f.where == filter.where; };
    std::erase_if(filters, is_it);
    filters.push_back(filter);
    return std::nullopt;
  }

  static bpf_tc_hook hook_of(std::uint32_t device, bpf_tc_attach_point where) noexcept {
    bpf_tc_hook out{};
    out.sz = sizeof out;
    out.ifindex = static_cast<int>(device);
    out.attach_point = where;
    return out;
  }

  static std::uint32_t id_of(int program) noexcept {
    bpf_prog_info info{};
    std::uint32_t size = sizeof info;
    return bpf_obj_get_info_by_fd(program, &info, &size) == 0 ? info.id : 0;
  }

  int map_of(const char* name) const noexcept { return bpf_object__find_map_fd_by_name(object, name); }
  int program_of(const char* name) const noexcept {
    const bpf_program* found = bpf_object__find_program_by_name(object, name);
    return found != nullptr ? bpf_program__fd(found) : -1;
  }

  template <class T>
  static T* map_memory(int map, std::size_t bytes, int rights) noexcept {
    void* at = ::mmap(nullptr, bytes, rights, MAP_SHARED, map, 0);
    return at != MAP_FAILED ? static_cast<T*>(at) : nullptr;
  }

  /// Why the object is not there.
  std::optional<std::string> load(With with) {
    const ByteView bytes = relay_object();
    bpf_object_open_opts options{};
    options.sz = sizeof options;
    options.object_name = "turnstone";
    object = bpf_object__open_mem(bytes.data(), bytes.size(), &options);
    if (object == nullptr) return explain("the kernel program cannot be read", errno);
    bpf_program* by_xdp = bpf_object__find_program_by_name(object, "turnstone_xdp");
    if (by_xdp != nullptr) bpf_program__set_autoload(by_xdp, with == With::Xdp);
    const int failed = bpf_object__load(object);
    if (failed == 0) return std::nullopt;
    std::string problem = explain("the kernel refuses the program", -failed);
    bpf_object__close(object);
    object = nullptr;
    return problem;
  }

  /// What is missing of the maps.
  std::optional<std::string> find_maps() {
    relay = program_of("turnstone_relay");
    watch = program_of("turnstone_watch");
    xdp = {program_of("turnstone_xdp"), map_of("xdp_devices"), map_of("xdp_out"), map_of("xdp_hops")};
    flows = map_of("flows");
    settings = map_of("settings");
    counts = map_memory<ts_counts>(map_of("counts"), kCountsBytes, PROT_READ);
    legs = map_memory<ts_leg>(map_of("legs"), kLegsBytes, PROT_READ | PROT_WRITE);
    shared = map_memory<ts_settings>(settings, sizeof *shared, PROT_READ | PROT_WRITE);
    if (counts == nullptr || legs == nullptr || shared == nullptr)
      return explain("the maps cannot be mapped", errno);
    bpf_map_create_opts options{};
    options.sz = sizeof options;
    options.inner_map_fd = static_cast<__u32>(settings);
    barrier =
        bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "ts_barrier", sizeof(__u32), sizeof(__u32), 1, &options);
    if (barrier < 0) return explain("a map of maps is refused", errno);
    return std::nullopt;
  }

  static constexpr std::size_t kCountsBytes = TS_MAX_FLOWS * sizeof(ts_counts);
  static constexpr std::size_t kLegsBytes = 2UL * TS_MAX_FLOWS * sizeof(ts_leg);

  bpf_object* object = nullptr;
  int relay = -1;
  int watch = -1;
  int flows = -1;
  int settings = -1;
  int barrier = -1;
  ts_counts* counts = nullptr;
  ts_leg* legs = nullptr;
  ts_settings* shared = nullptr;
  std::vector<Filter> filters;
  Xdp::Parts xdp;
  std::string xdp_problem;
};

Program::Program(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Program::~Program() = default;

Result<std::unique_ptr<Program>, std::string> Program::load(With with) {
  g_said.clear();
  libbpf_set_print(note);
  auto impl = std::make_unique<Impl>();
  auto refused = impl->load(with);
  if (refused && with == With::Xdp) {
    impl->xdp_problem = *std::move(refused);
    g_said.clear();
    refused = impl->load(With::Tc);
  }
  if (refused) return *std::move(refused);
  if (auto problem = impl->find_maps()) return *std::move(problem);
  return std::unique_ptr<Program>(new Program(std::move(impl)));
}

std::optional<std::string> Program::attach(std::uint32_t device, std::uint32_t handle) {
  g_said.clear();
  bpf_tc_hook both = Impl::hook_of(device, static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
  const int created = bpf_tc_hook_create(&both);
  if (created != 0 && created != -EEXIST) return explain("no clsact queueing discipline", -created);
  g_said.clear();  // where there was one, libbpf has warned of it
  if (auto problem = impl_->attach({device, handle, BPF_TC_EGRESS, impl_->watch})) return problem;
  return impl_->attach({device, handle, BPF_TC_INGRESS, impl_->relay});
}

bool Program::is_attached(std::uint32_t device, std::uint32_t handle) const noexcept {
  const bool out = Impl::is_attached({device, handle, BPF_TC_EGRESS, impl_->watch}) &&
                   Impl::is_attached({device, handle, BPF_TC_INGRESS, impl_->relay});
  g_said.clear();  // libbpf warns of what is not there
  return out;
}

Xdp::Parts Program::xdp_parts() const noexcept { return impl_->xdp; }
const std::string& Program::xdp_problem() const noexcept { return impl_->xdp_problem; }

void Program::clear(std::uint32_t device, std::uint32_t handle) noexcept {
  for (const bpf_tc_attach_point where : {BPF_TC_INGRESS, BPF_TC_EGRESS}) Impl::remove(device, handle, where);
  g_said.clear();  // where there was none, libbpf has warned of it
}

void Program::write(std::uint32_t slot, const Entries& entries) noexcept {
  impl_->legs[leg_to_peer(slot)] = entries.to_peer.leg;
  impl_->legs[leg_to_client(slot)] = entries.to_client.leg;
}

bool Program::publish(std::uint32_t slot, const Entries& entries) noexcept {
  const std::uint32_t to_peer = leg_to_peer(slot);
  const std::uint32_t to_client = leg_to_client(slot);
  if (bpf_map_update_elem(impl_->flows, &entries.to_peer.key, &to_peer, BPF_ANY) == 0 &&
      bpf_map_update_elem(impl_->flows, &entries.to_client.key, &to_client, BPF_ANY) == 0)
    return true;
  withdraw(entries);
  return false;
}

void Program::withdraw(const Entries& entries) noexcept {
  // One may never have got in.
  static_cast<void>(bpf_map_delete_elem(impl_->flows, &entries.to_peer.key));
  static_cast<void>(bpf_map_delete_elem(impl_->flows, &entries.to_client.key));
}

void Program::prolong(std::uint32_t slot, TimePoint until) noexcept {
  for (const std::uint32_t number : {leg_to_peer(slot), leg_to_client(slot)})
    __atomic_store_n(&impl_->legs[number].until, kernel_time(until), __ATOMIC_RELAXED);
}

void Program::doubt(std::uint32_t slot) noexcept {
  for (const std::uint32_t number : {leg_to_peer(slot), leg_to_client(slot)}) {
    ts_leg& leg = impl_->legs[number];
    if (leg.out_device == TS_THIS_HOST) continue;  // what is to be proven of it is the other flow's
    // In this order: what came before is no proof any more when the proof is taken back.
    __atomic_store_n(&leg.came, std::uint32_t{TS_NONE_CAME}, __ATOMIC_RELEASE);
    __atomic_store_n(&leg.proven, std::uint64_t{0}, __ATOMIC_RELEASE);
  }
}

void Program::set(std::uint32_t epoch, TimePoint alive_until) noexcept {
  __atomic_store_n(&impl_->shared->epoch, epoch, __ATOMIC_RELEASE);
  __atomic_store_n(&impl_->shared->alive_until, kernel_time(alive_until), __ATOMIC_RELEASE);
}

bool Program::settle() noexcept {
  // The kernel waits for programs that may still use the map that was replaced: for all that run.
  const std::uint32_t first = 0;
  return bpf_map_update_elem(impl_->barrier, &first, &impl_->settings, BPF_ANY) == 0;
}

ts_counts Program::counts(std::uint32_t slot) const noexcept {
  // The program adds to them meanwhile.
  const auto read = [](const __u64& value) { return __atomic_load_n(&value, __ATOMIC_RELAXED); };
  const ts_counts& at = impl_->counts[slot];
  ts_counts out{};
  out.to_peer = {read(at.to_peer.packets), read(at.to_peer.bytes)};
  out.to_client = {read(at.to_client.packets), read(at.to_client.bytes)};
  out.dropped = read(at.dropped);
  out.failed = read(at.failed);
  return out;
}

int Program::relay_descriptor() const noexcept { return impl_->relay; }
int Program::watch_descriptor() const noexcept { return impl_->watch; }
void Program::serve_by_xdp(std::uint32_t device, const IpAddress& neighbour,
                           const EthernetAddress& at) noexcept {
  ts_device served{};
  served.sends = 1;
  ts_hop hop{};
  hop.of.device = device;
  hop.of.family = neighbour.is_v4() ? AF_INET : AF_INET6;
  std::memcpy(hop.of.address, neighbour.bytes().data(), neighbour.bytes().size());
  std::memcpy(hop.target, at.data(), at.size());
  static_cast<void>(bpf_map_update_elem(impl_->xdp.devices, &device, &served, BPF_ANY));
  static_cast<void>(bpf_map_update_elem(impl_->xdp.out, &device, &device, BPF_ANY));
  static_cast<void>(bpf_map_update_elem(impl_->xdp.hops, &hop.of, &hop, BPF_ANY));
}
ts_leg Program::leg(std::uint32_t number) const noexcept { return impl_->legs[number]; }
void Program::set_proof(std::uint32_t number, std::uint64_t proven, std::uint32_t came) noexcept {
  __atomic_store_n(&impl_->legs[number].proven, proven, __ATOMIC_RELAXED);
  __atomic_store_n(&impl_->legs[number].came, came, __ATOMIC_RELAXED);
}

}  // namespace ts::offload

#else

namespace ts::offload {

struct Program::Impl {
  std::string xdp_problem;
};

Program::Program(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Program::~Program() = default;

Result<std::unique_ptr<Program>, std::string> Program::load(With) {
  return std::string(
      "this server was built without libbpf or clang: install libbpf-dev and clang, and build again");
}
std::optional<std::string> Program::attach(std::uint32_t, std::uint32_t) { return std::nullopt; }
Xdp::Parts Program::xdp_parts() const noexcept { return {}; }
const std::string& Program::xdp_problem() const noexcept { return impl_->xdp_problem; }
void Program::serve_by_xdp(std::uint32_t, const IpAddress&, const EthernetAddress&) noexcept {}
void Program::clear(std::uint32_t, std::uint32_t) noexcept {}
void Program::write(std::uint32_t, const Entries&) noexcept {}
bool Program::publish(std::uint32_t, const Entries&) noexcept { return false; }
void Program::withdraw(const Entries&) noexcept {}
void Program::prolong(std::uint32_t, TimePoint) noexcept {}
void Program::set(std::uint32_t, TimePoint) noexcept {}
bool Program::settle() noexcept { return true; }
void Program::doubt(std::uint32_t) noexcept {}
bool Program::is_attached(std::uint32_t, std::uint32_t) const noexcept { return false; }
ts_counts Program::counts(std::uint32_t) const noexcept { return {}; }
int Program::relay_descriptor() const noexcept { return -1; }
int Program::watch_descriptor() const noexcept { return -1; }
ts_leg Program::leg(std::uint32_t) const noexcept { return {}; }
void Program::set_proof(std::uint32_t, std::uint64_t, std::uint32_t) noexcept {}

}  // namespace ts::offload

#endif
