// SPDX-License-Identifier: Apache-2.0
// The flows that the kernel has. Shards tell of begins and ends; an end holds when the call returns, a begin
// waits for a thread of ours, which alone asks for routes and follows their changes. The lock is held for
// no question to the kernel but changes of its maps.
#include <algorithm>
#include <array>
#include <ctime>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <turnstone/offload/offload.hpp>

#include "changes.hpp"
#include "flow_table.hpp"
#include "handle.hpp"
#include "ways.hpp"

namespace ts::offload {
namespace {

using std::chrono::milliseconds;

/// Changes come many at a time: after this long without one, and this long after the first at the latest, the
/// ways of all flows are looked up again.
constexpr milliseconds kQuiet{100};
constexpr milliseconds kLongestWait{1000};
/// The program relays for so long without hearing from us, and hears from us so often.
constexpr std::chrono::seconds kAliveFor{5};
constexpr milliseconds kBeat{1000};
/// What nobody tells of, such as a path's MTU, is looked for so often; of more flows than so many a beat,
/// less often.
constexpr std::size_t kBeatsARound = 5;
constexpr std::size_t kMostABeat = 2000;
/// Flows looked at between two looks at changes.
constexpr std::size_t kAtOnce = 64;

/// The clock that flows expire by, as the shards read it.
TimePoint monotonic_now() noexcept {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return TimePoint{std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec)};
}

std::uint64_t chance() noexcept {
  std::uint64_t out = 0;
  // So few bytes come whole.
  return ::getrandom(&out, sizeof out, 0) == sizeof out ? out : 0;
}

}  // namespace

class Offload::Impl {
 public:
  Impl(std::unique_ptr<Program> program, Options options)
      : options_(std::move(options)),
        program_(std::move(program)),
        table_(*program_, chance()),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  ~Impl() {
    if (thread_.joinable()) {
      {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
      }
      wake();
      thread_.join();
    }
    if (wake_ >= 0) ::close(wake_);
  }

  bool is_ready() const noexcept { return router_.is_open() && changes_.is_open() && wake_ >= 0; }

  Result<std::vector<std::string>, std::string> attach(std::vector<std::string>& warnings) {
    handle_ = Handle::take();
    if (!handle_)
      return std::string("other servers on this network namespace have all of the ") +
             std::to_string(kMostHandles) + " filters that there may be";
    std::vector<std::string> problems;
    if (!attach_devices(problems)) problems.emplace_back("the system does not say which devices there are");
    for (const std::string& wanted : options_.devices) {
      if (std::none_of(devices_.begin(), devices_.end(), [&](const Device& d) { return d.name == wanted; }))
        problems.push_back(wanted + " is no Ethernet device that is up and has an address, or has no filter");
    }
    if (devices_.empty())
      return problems.empty() ? std::string("there is no Ethernet device that is up and has an address")
                              : problems[0];
    for (const std::string& problem : problems) warnings.push_back("relay.offload_devices: " + problem);
    look_for_ipsec();
    if (ipsec_)
      warnings.emplace_back(
          "relay.offload: this host has IPsec policies; the sockets relay everything while it has any");
    beat();
    std::vector<std::string> out;
    for (const Device& device : devices_) out.push_back(device.name);
    thread_ = std::thread([this] { run(); });
    return out;
  }

  void apply(std::span<turn::Flow> flows) noexcept {
    bool news = false;
    {
      const std::lock_guard lock(mutex_);
      const bool had = !queue_.empty();
      for (turn::Flow& flow : flows) {
        if (flow.ended) {
          table_.end(flow);
        } else if (table_.tell(flow)) {
          queue_.push_back(FlowTable::name_of(flow));
        }
      }
      news = !had && !queue_.empty();
    }
    if (news) wake();
  }

  Counters counters() const noexcept {
    Counters out;
    std::uint32_t used = 0;
    {
      const std::lock_guard lock(mutex_);
      out.flows = ipsec_ ? 0 : table_.placed();
      used = table_.slots_used();
    }
    for (std::uint32_t slot = 0; slot < used; ++slot) {
      const ts_counts each = program_->counts(slot);
      out.to_peer_packets += each.to_peer.packets;
      out.to_peer_bytes += each.to_peer.bytes;
      out.to_client_packets += each.to_client.packets;
      out.to_client_bytes += each.to_client.bytes;
      out.hops_used_up += each.dropped;
      out.failed += each.failed;
    }
    return out;
  }

 private:
  /// Its counter is far from full.
  void wake() const noexcept { ::eventfd_write(wake_, 1); }

  /// Finds the devices that we may use, those that were not there before among them. False: the system does
  /// not say, and all stays as it is.
  bool attach_devices(std::vector<std::string>& problems) {
    auto found = ethernet_devices();
    if (!found) return false;
    std::erase_if(*found, [&](const Device& d) {
      if (!options_.devices.empty() &&
          std::find(options_.devices.begin(), options_.devices.end(), d.name) == options_.devices.end())
        return true;
      if (std::any_of(devices_.begin(), devices_.end(),
                      [&](const Device& had) { return had.index == d.index; }))
        return false;
      Handle::for_each_free([&](std::uint32_t number) { program_->clear(d.index, number); });
      const auto problem = program_->attach(d.index, handle_->number());
      if (problem) problems.push_back(d.name + ": " + *problem);
      return problem.has_value();
    });
    devices_ = *std::move(found);
    return true;
  }

  // From here on: our thread.

  void run() {
    TimePoint round = monotonic_now();
    for (;;) {
      wait();
      {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
      }
      notice_changes();
      if (stale_) find_all_again();
      answer_some();
      const TimePoint now = monotonic_now();
      if (now - beaten_ >= kBeat) beat();
      if (now - round < kBeat) continue;
      round = now;
      look_around();
      reclaim();
    }
  }

  void wait() const noexcept {
    bool busy = false;
    {
      const std::lock_guard lock(mutex_);
      busy = !queue_.empty();
    }
    const auto told = changes_.descriptors();
    std::array<pollfd, 4> all{{told[0], told[1], told[2], {wake_, POLLIN, 0}}};
    const milliseconds patience = busy ? milliseconds::zero() : stale_ ? kQuiet : kBeat;
    ::poll(all.data(), all.size(), static_cast<int>(patience.count()));
    eventfd_t ignored = 0;
    ::eventfd_read(wake_, &ignored);
  }

  /// Whatever goes a wrong way from now on, the sockets send it the right one, at once.
  void notice_changes() {
    if (!changes_.take()) return;
    ++epoch_;
    beat();
    look_for_ipsec();
    changed_ = monotonic_now();
    if (!std::exchange(stale_, true)) stale_since_ = changed_;
  }

  void look_for_ipsec() {
    const bool any = changes_.has_ipsec_policies();
    const std::lock_guard lock(mutex_);
    ipsec_ = any;
  }

  void beat() noexcept {
    beaten_ = monotonic_now();
    program_->set(epoch_, ipsec_ ? TimePoint{} : beaten_ + kAliveFor);
  }

  void find_all_again() {
    const TimePoint now = monotonic_now();
    if (now - changed_ < kQuiet && now - stale_since_ < kLongestWait) return;
    std::vector<std::string> untold;  // of a device that came later: its flows are the sockets'
    stale_ = !attach_devices(untold);
    stale_since_ = changed_ = now;
    beat();
    const std::lock_guard lock(mutex_);
    queue_ = table_.names();
  }

  /// The ways of the first few in the queue.
  void answer_some() {
    std::vector<FlowTable::Wanted> some;
    some.reserve(kAtOnce);
    bool no_room = false;
    {
      const std::lock_guard lock(mutex_);
      for (; !queue_.empty() && some.size() < kAtOnce; queue_.pop_back()) {
        if (auto wanted = table_.find(queue_.back())) some.push_back(*std::move(wanted));
      }
      no_room = table_.free_slots() < some.size();
    }
    if (no_room) reclaim();
    std::vector<std::optional<Ways>> ways;
    ways.reserve(some.size());
    for (const FlowTable::Wanted& wanted : some) ways.push_back(router_.ways(wanted.flow, devices_));
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < some.size(); ++i) table_.place(some[i], ways[i], epoch_);
  }

  /// Puts the next part of all flows into the queue.
  void look_around() {
    const std::lock_guard lock(mutex_);
    if (!queue_.empty()) return;
    if (round_.empty()) round_ = table_.names();
    const std::size_t part = std::min(kMostABeat, table_.size() / kBeatsARound + 1);
    for (std::size_t i = 0; i < part && !round_.empty(); ++i, round_.pop_back())
      queue_.push_back(round_.back());
  }

  /// Slots that were left are free when no packet uses them any more.
  void reclaim() {
    std::vector<std::uint32_t> left;
    {
      const std::lock_guard lock(mutex_);
      left = table_.take_left();
    }
    if (left.empty()) return;
    program_->settle();
    const std::lock_guard lock(mutex_);
    table_.give_back(left);
  }

  const Options options_;
  std::optional<Handle> handle_;  // outlives the filters
  std::unique_ptr<Program> program_;
  mutable std::mutex mutex_;
  // Behind the lock.
  FlowTable table_;
  std::vector<FlowTable::Name> queue_;  // ways to be found
  bool stopping_ = false;
  bool ipsec_ = false;
  // Of our thread, once there is one.
  std::vector<Device> devices_;
  Router router_;
  Changes changes_;
  std::uint32_t epoch_ = 1;
  TimePoint beaten_;
  bool stale_ = false;
  TimePoint changed_;
  TimePoint stale_since_;
  std::vector<FlowTable::Name> round_;
  int wake_;
  std::thread thread_;
};

bool is_built_in() noexcept {
#if defined(TURNSTONE_BPF)
  return true;
#else
  return false;
#endif
}

Offload::Offload(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Offload::~Offload() = default;

Result<std::unique_ptr<Offload>, std::string> Offload::make(const Options& options) {
  auto program = Program::load();
  if (!program) return program.error();
  auto impl = std::make_unique<Impl>(std::move(*program), options);
  if (!impl->is_ready()) return std::string("no netlink socket, to ask for routes");
  return std::unique_ptr<Offload>(new Offload(std::move(impl)));
}

Result<std::vector<std::string>, std::string> Offload::attach(std::vector<std::string>& warnings) {
  return impl_->attach(warnings);
}
void Offload::apply(std::span<turn::Flow> flows) noexcept { impl_->apply(flows); }
Counters Offload::counters() const noexcept { return impl_->counters(); }

}  // namespace ts::offload
