// SPDX-License-Identifier: Apache-2.0
// The flows that the kernel has. Shards tell of begins and ends; an end holds when the call returns, a begin
// waits for a thread of ours, which alone asks for routes and follows their changes. The lock is held for
// no question to the kernel but changes of its maps.
#include <algorithm>
#include <array>
#include <ctime>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <turnstone/offload/offload.hpp>

#include "changes.hpp"
#include "clock.hpp"
#include "flow_table.hpp"
#include "handle.hpp"
#include "ways.hpp"
#include "xdp.hpp"

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
/// What nobody tells of is looked for so often: sets of a firewall that packets fill, filters that somebody
/// takes away, a path's MTU; the last of more flows than so many a beat less often.
constexpr std::size_t kBeatsARound = 5;
constexpr std::size_t kMostABeat = 2000;
/// Flows looked at between two looks at changes, and placed under one lock.
constexpr std::size_t kAtOnce = 64;
constexpr std::size_t kUnderOneLock = 8;

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
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (options_.mode == Mode::Xdp && program_->xdp_problem().empty()) xdp_.emplace(program_->xdp_parts());
  }

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

  bool is_ready() const noexcept {
    return router_.is_open() && changes_.is_open() && wake_ >= 0 && (!xdp_ || xdp_->is_open());
  }

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
    serve_by_xdp(warnings);
    look_for_ipsec();
    if (ipsec_)
      warnings.emplace_back(
          "relay.offload: this host has IPsec policies; the sockets relay everything while it has any");
    beat();
    std::vector<std::string> out;
    for (const Device& device : devices_)
      out.push_back(device.name + (xdp_ && xdp_->serves(device.index) ? " (xdp)" : ""));
    try {
      thread_ = std::thread([this] { run(); });
    } catch (const std::system_error& error) {
      return std::string("no thread can be started: ") + error.what();
    }
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

  /// What of that is XDP's; `warnings` gets what it cannot do.
  void serve_by_xdp(std::vector<std::string>& warnings) {
    if (options_.mode != Mode::Xdp) return;
    if (!xdp_) {
      warnings.push_back("relay.offload: no XDP: " + program_->xdp_problem() +
                         "; it needs Linux 5.18 or later; tc relays");
      return;
    }
    std::vector<std::string> problems;
    xdp_->serve(devices_, problems);
    for (const std::string& problem : problems) warnings.push_back("relay.offload: " + problem);
    xdp_->follow(monotonic_now());
  }

  // From here on: our thread.

  void run() {
    beat_at_ = monotonic_now();
    for (;;) {
      wait();
      {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
      }
      notice_changes();
      if (stale_) find_all_again();
      xdp_behind_ = xdp_ && xdp_->follow(monotonic_now());
      answer_some();
      const TimePoint now = monotonic_now();
      if (now - beat_at_ < kBeat) continue;
      beat_at_ = now;
      beat();
      look_around();
      reclaim();
    }
  }

  void wait() const noexcept {
    bool busy = false;
    {
      const std::lock_guard lock(mutex_);
      busy = !queue_.empty() || again_ > 0 || due_ > 0;
    }
    const auto told = changes_.descriptors();
    const int neighbours = xdp_ ? xdp_->descriptor() : -1;
    std::array<pollfd, 5> all{{told[0], told[1], told[2], {neighbours, POLLIN, 0}, {wake_, POLLIN, 0}}};
    const auto rest = std::chrono::ceil<milliseconds>(beat_at_ + kBeat - monotonic_now());
    const milliseconds most = xdp_behind_ ? Xdp::kFollowEvery : stale_ ? kQuiet : kBeat;
    const milliseconds patience = busy ? milliseconds::zero() : std::clamp(rest, milliseconds::zero(), most);
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

  void beat() noexcept { program_->set(epoch_, ipsec_ ? TimePoint{} : monotonic_now() + kAliveFor); }

  void find_all_again() {
    const TimePoint now = monotonic_now();
    if (now - changed_ < kQuiet && now - stale_since_ < kLongestWait) return;
    std::vector<std::string> untold;  // of a device that came later: its flows are the sockets'
    stale_ = !attach_devices(untold);
    refused_ = !untold.empty();
    if (xdp_) xdp_->serve(devices_, untold);
    stale_since_ = changed_ = now;
    beat();
    const std::lock_guard lock(mutex_);
    again_ = table_.size();
  }

  /// The next flow whose ways are to be found; nothing: there is none, or it is over. Under the lock.
  std::optional<FlowTable::Wanted> next() {
    if (!queue_.empty()) {
      const FlowTable::Name name = queue_.back();
      queue_.pop_back();
      return table_.find(name);
    }
    if (again_ > 0) return next_of(again_);
    if (due_ == 0) return std::nullopt;
    --due_;
    return next_of(round_);
  }
  /// `before`: the place of the one that was the last.
  std::optional<FlowTable::Wanted> next_of(std::size_t& before) {
    before = std::min(before, table_.size());
    if (before == 0) return std::nullopt;
    return table_.find(table_.name_at(--before));
  }

  /// The ways of a few flows: of those that are new, of all where something has changed, of those whose turn
  /// it is.
  void answer_some() {
    std::vector<FlowTable::Wanted> some;
    some.reserve(kAtOnce);
    bool no_room = false;
    {
      const std::lock_guard lock(mutex_);
      for (std::size_t i = 0; i < kAtOnce; ++i) {
        if (auto wanted = next()) some.push_back(*std::move(wanted));
      }
      no_room = table_.free_slots() < some.size();
    }
    if (no_room) reclaim();
    std::vector<std::optional<Ways>> ways;
    ways.reserve(some.size());
    for (const FlowTable::Wanted& wanted : some) ways.push_back(router_.ways(wanted.flow, devices_));
    for (std::size_t i = 0; i < some.size();) {
      const std::lock_guard lock(mutex_);
      for (const std::size_t end = std::min(some.size(), i + kUnderOneLock); i < end; ++i)
        table_.place(some[i], ways[i], epoch_);
    }
  }

  /// A part of all that nobody tells of, each beat another one.
  void look_around() {
    beat_number_ = (beat_number_ + 1) % kBeatsARound;
    std::uint32_t used = 0;
    {
      const std::lock_guard lock(mutex_);
      used = table_.slots_used();
      if (queue_.empty() && again_ == 0) {
        if (round_ == 0) round_ = table_.size();
        due_ = std::min(kMostABeat, table_.size() / kBeatsARound + 1);
      }
    }
    for (std::size_t slot = beat_number_; slot < used; slot += kBeatsARound)
      program_->doubt(static_cast<std::uint32_t>(slot));
    if (beat_number_ == 0) look_for_filters();
  }

  /// Puts back what somebody has taken away, and tries again what failed: for want of memory, say.
  void look_for_filters() {
    const std::size_t lost = std::erase_if(devices_, [this](const Device& d) {
      return !program_->is_attached(d.index, handle_->number()) &&
             program_->attach(d.index, handle_->number()).has_value();
    });
    std::vector<std::string> untold;
    if (xdp_ && xdp_->look_around()) xdp_->serve(devices_, untold);
    if (lost == 0 && !refused_) return;
    changed_ = monotonic_now();
    if (!std::exchange(stale_, true)) stale_since_ = changed_;
  }

  /// Slots that were left are free when no packet uses them any more.
  void reclaim() {
    std::vector<std::uint32_t> left;
    {
      const std::lock_guard lock(mutex_);
      left = table_.take_left();
    }
    if (left.empty()) return;
    const bool settled = program_->settle();
    const std::lock_guard lock(mutex_);
    if (settled) {
      table_.give_back(left);
    } else {
      table_.leave(left);  // until the next beat
    }
  }

  const Options options_;
  std::optional<Handle> handle_;  // outlives the filters
  std::unique_ptr<Program> program_;
  mutable std::mutex mutex_;
  // Behind the lock.
  FlowTable table_;
  std::vector<FlowTable::Name> queue_;  // new: ways to be found
  std::size_t again_ = 0;               // flows before this place: after a change
  std::size_t round_ = 0;               // flows before this place: now and then
  std::size_t due_ = 0;                 // of these so many now
  bool stopping_ = false;
  bool ipsec_ = false;
  // Of our thread, once there is one.
  std::vector<Device> devices_;
  Router router_;
  Changes changes_;
  std::optional<Xdp> xdp_;  // nothing: tc alone
  bool xdp_behind_ = false;
  bool refused_ = false;  // a device took no filter
  std::uint32_t epoch_ = 1;
  TimePoint beat_at_;
  std::size_t beat_number_ = 0;
  bool stale_ = false;
  TimePoint changed_;
  TimePoint stale_since_;
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
  if (is_clock_moved())
    return std::string(
        "this process is in a time namespace whose monotonic clock is not the kernel's; start it outside");
  auto program = Program::load(options.mode == Mode::Xdp ? Program::With::Xdp : Program::With::Tc);
  if (!program) return program.error();
  auto impl = std::make_unique<Impl>(std::move(*program), options);
  if (!impl->is_ready())
    return std::string("no netlink sockets, to ask for routes and to follow what changes");
  return std::unique_ptr<Offload>(new Offload(std::move(impl)));
}

Result<std::vector<std::string>, std::string> Offload::attach(std::vector<std::string>& warnings) {
  return impl_->attach(warnings);
}
void Offload::apply(std::span<turn::Flow> flows) noexcept { impl_->apply(flows); }
Counters Offload::counters() const noexcept { return impl_->counters(); }

}  // namespace ts::offload
