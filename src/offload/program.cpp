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

#include <turnstone/base/bytes.hpp>

#include "entries.hpp"

namespace ts::offload {

/// src/offload/bpf/relay.bpf.c, compiled.
ByteView relay_object() noexcept;

namespace {

/// Before the filters that others attach as a rule (tc numbers them from 49152 on), after what asks to be
/// first.
constexpr std::uint32_t kPriority = 3478;

/// What libbpf said last, on this thread: its calls return a bare errno.
thread_local std::string g_said;

int note(enum libbpf_print_level level, const char* format, va_list values) {
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
  };

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    for (const Filter& filter : filters) detach(filter);
    if (mapped != MAP_FAILED) ::munmap(mapped, kCountsBytes);
    bpf_object__close(object);
  }

  void detach(const Filter& filter) const noexcept {
    bpf_tc_hook hook = hook_of(filter.device);
    bpf_tc_opts options{};
    options.sz = sizeof options;
    options.handle = filter.handle;
    options.priority = kPriority;
    // The device may be gone, or a successor have put its filter in place of ours.
    if (bpf_tc_query(&hook, &options) != 0 || options.prog_id != program_id()) return;
    options.flags = options.prog_id = 0;
    options.prog_fd = 0;
    static_cast<void>(bpf_tc_detach(&hook, &options));
  }

  static bpf_tc_hook hook_of(std::uint32_t device) noexcept {
    bpf_tc_hook out{};
    out.sz = sizeof out;
    out.ifindex = static_cast<int>(device);
    out.attach_point = BPF_TC_INGRESS;
    return out;
  }

  std::uint32_t program_id() const noexcept {
    bpf_prog_info info{};
    std::uint32_t size = sizeof info;
    return bpf_obj_get_info_by_fd(program, &info, &size) == 0 ? info.id : 0;
  }

  int map_of(const char* name) const noexcept { return bpf_object__find_map_fd_by_name(object, name); }

  static constexpr std::size_t kCountsBytes = TS_MAX_FLOWS * sizeof(ts_counts);

  bpf_object* object = nullptr;
  int program = -1;
  int flows = -1;
  int settings = -1;
  void* mapped = MAP_FAILED;
  std::vector<Filter> filters;
};

Program::Program(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Program::~Program() = default;

Result<std::unique_ptr<Program>, std::string> Program::load() {
  g_said.clear();
  libbpf_set_print(note);
  auto impl = std::make_unique<Impl>();
  const ByteView bytes = relay_object();
  bpf_object_open_opts options{};
  options.sz = sizeof options;
  options.object_name = "turnstone";
  impl->object = bpf_object__open_mem(bytes.data(), bytes.size(), &options);
  if (impl->object == nullptr) return explain("the kernel program cannot be read", errno);
  if (const int failed = bpf_object__load(impl->object); failed != 0)
    return explain("the kernel refuses the program", -failed);
  const bpf_program* program = bpf_object__find_program_by_name(impl->object, "turnstone_relay");
  impl->program = program != nullptr ? bpf_program__fd(program) : -1;
  impl->flows = impl->map_of("flows");
  impl->settings = impl->map_of("settings");
  const int counts = impl->map_of("counts");
  impl->mapped = ::mmap(nullptr, Impl::kCountsBytes, PROT_READ, MAP_SHARED, counts, 0);
  if (impl->mapped == MAP_FAILED) return explain("the counters cannot be mapped", errno);
  return std::unique_ptr<Program>(new Program(std::move(impl)));
}

std::optional<std::string> Program::attach(std::uint32_t device, std::uint32_t handle) {
  g_said.clear();
  bpf_tc_hook hook = Impl::hook_of(device);
  const int created = bpf_tc_hook_create(&hook);
  if (created != 0 && created != -EEXIST) return explain("no clsact queueing discipline", -created);
  g_said.clear();  // where there was one, libbpf has warned of it
  bpf_tc_opts options{};
  options.sz = sizeof options;
  options.prog_fd = impl_->program;
  options.handle = handle;
  options.priority = kPriority;
  options.flags = BPF_TC_F_REPLACE;
  if (const int failed = bpf_tc_attach(&hook, &options); failed != 0)
    return explain("the filter is refused", -failed);
  impl_->filters.push_back({device, handle});
  return std::nullopt;
}

bool Program::put(const ts_key& key, const ts_flow& value) noexcept {
  return bpf_map_update_elem(impl_->flows, &key, &value, BPF_ANY) == 0;
}

void Program::remove(const ts_key& key) noexcept {
  // It may never have got in.
  static_cast<void>(bpf_map_delete_elem(impl_->flows, &key));
}

void Program::set(std::uint32_t epoch, TimePoint alive_until) noexcept {
  const std::uint32_t first = 0;
  ts_settings value{};
  value.alive_until = kernel_time(alive_until);
  value.epoch = epoch;
  // An array's element is always there.
  static_cast<void>(bpf_map_update_elem(impl_->settings, &first, &value, BPF_ANY));
}

ts_counts Program::counts(std::uint32_t slot) const noexcept {
  // The program adds to them meanwhile.
  const auto read = [](const __u64& value) { return __atomic_load_n(&value, __ATOMIC_RELAXED); };
  const ts_counts& at = static_cast<const ts_counts*>(impl_->mapped)[slot];
  ts_counts out{};
  out.to_peer = {read(at.to_peer.packets), read(at.to_peer.bytes)};
  out.to_client = {read(at.to_client.packets), read(at.to_client.bytes)};
  out.dropped = read(at.dropped);
  return out;
}

int Program::descriptor() const noexcept { return impl_->program; }

}  // namespace ts::offload

#else

namespace ts::offload {

struct Program::Impl {};

Program::Program(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Program::~Program() = default;

Result<std::unique_ptr<Program>, std::string> Program::load() {
  return std::string(
      "this server was built without libbpf or clang: install libbpf-dev and clang, and build again");
}
std::optional<std::string> Program::attach(std::uint32_t, std::uint32_t) { return std::nullopt; }
bool Program::put(const ts_key&, const ts_flow&) noexcept { return false; }
void Program::remove(const ts_key&) noexcept {}
void Program::set(std::uint32_t, TimePoint) noexcept {}
ts_counts Program::counts(std::uint32_t) const noexcept { return {}; }
int Program::descriptor() const noexcept { return -1; }

}  // namespace ts::offload

#endif
