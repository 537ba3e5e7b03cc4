// SPDX-License-Identifier: Apache-2.0
// The flows that the kernel has. A lock guards them: shards tell of the begins and ends of theirs, a few
// times a minute each, and a thread of ours follows the routes.
#include <algorithm>
#include <array>
#include <ctime>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <boost/unordered/unordered_flat_map.hpp>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <turnstone/offload/offload.hpp>

#include "program.hpp"
#include "ways.hpp"

namespace ts::offload {
namespace {

/// What packets' ways depend on.
constexpr std::uint32_t kRouteGroups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE |
                                       RTMGRP_IPV4_RULE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE;
/// Changes come many at a time; when there was none for so long, the flows are looked at again.
constexpr int kQuietMilliseconds = 100;
/// The program relays for so long without hearing from us, and hears from us so often.
constexpr std::chrono::seconds kAliveFor{5};
constexpr int kBeatMilliseconds = 1000;
/// Flows looked at between two releases of the lock.
constexpr std::size_t kAtOnce = 64;

struct Name {
  Endpoint client;
  Endpoint server;
  std::uint16_t channel = 0;
  friend bool operator==(const Name&, const Name&) noexcept = default;
};

struct NameHash {
  std::size_t operator()(const Name& n) const noexcept { return n.client.hash(n.server.hash(n.channel)); }
};

struct Held {
  turn::Flow flow;
  std::uint32_t slot = 0;
  /// Of the slot, before this flow.
  ts_counts before{};
  /// The kernel has it.
  bool placed = false;
  std::uint32_t epoch = 0;
};

Name name_of(const turn::Flow& flow) { return {flow.tuple.client, flow.tuple.server, flow.channel}; }

turn::Traffic difference(const ts_count& after, const ts_count& before) noexcept {
  return {after.packets - before.packets, after.bytes - before.bytes};
}

/// The clock that flows expire by, as the shards read it.
TimePoint monotonic_now() noexcept {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return TimePoint{std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec)};
}

/// Families that differ want another IP header, and a link-local address is good on one link only: the
/// sockets' work.
bool is_ours(const turn::Flow& flow) noexcept {
  const Endpoint& client = flow.tuple.client;
  return client.address.family() == flow.peer.address.family() && !is_link_local(client.address) &&
         !is_link_local(flow.peer.address);
}

}  // namespace

class Offload::Impl {
 public:
  Impl(std::unique_ptr<Program> program, Options options)
      : options_(std::move(options)),
        program_(std::move(program)),
        questions_(0),
        changes_(kRouteGroups),
        wake_(::eventfd(0, EFD_CLOEXEC)) {
    free_.reserve(TS_MAX_FLOWS);
    for (std::uint32_t slot = TS_MAX_FLOWS; slot-- > 0;) free_.push_back(slot);
    beat();
  }

  ~Impl() {
    if (thread_.joinable()) {
      ::eventfd_write(wake_, 1);  // its counter is far from full
      thread_.join();
    }
    ::close(wake_);
  }

  bool is_ready() const noexcept { return questions_.is_open() && changes_.is_open() && wake_ >= 0; }

  Result<std::vector<std::string>, std::string> attach(std::uint16_t instance,
                                                       std::vector<std::string>& warnings) {
    const std::lock_guard lock(mutex_);
    instance_ = instance;
    std::vector<std::string> problems;
    attach_devices(problems);
    for (const std::string& wanted : options_.devices) {
      if (std::none_of(devices_.begin(), devices_.end(), [&](const Device& d) { return d.name == wanted; }))
        problems.push_back(wanted + " is no Ethernet device that is up and has an address, or has no filter");
    }
    if (devices_.empty())
      return problems.empty() ? std::string("there is no Ethernet device that is up and has an address")
                              : problems[0];
    for (const std::string& problem : problems) warnings.push_back("relay.offload_devices: " + problem);
    std::vector<std::string> out;
    for (const Device& device : devices_) out.push_back(device.name);
    thread_ = std::thread([this] { follow_changes(); });
    return out;
  }

  void apply(std::span<turn::Flow> flows) noexcept {
    const std::lock_guard lock(mutex_);
    for (turn::Flow& flow : flows) {
      if (flow.ended) {
        end(flow);
      } else {
        begin(flow);
      }
    }
  }

  Counters counters() const noexcept {
    Counters out;
    std::uint32_t used = 0;
    {
      const std::lock_guard lock(mutex_);
      out.flows = placed_;
      used = slots_used_;
    }
    for (std::uint32_t slot = 0; slot < used; ++slot) {
      const ts_counts each = program_->counts(slot);
      out.to_peer_packets += each.to_peer.packets;
      out.to_peer_bytes += each.to_peer.bytes;
      out.to_client_packets += each.to_client.packets;
      out.to_client_bytes += each.to_client.bytes;
      out.dropped += each.dropped;
    }
    return out;
  }

 private:
  /// Finds the devices that we may use, those that were not there before among them.
  void attach_devices(std::vector<std::string>& problems) {
    std::vector<Device> found = ethernet_devices();
    std::erase_if(found, [&](const Device& d) {
      if (!options_.devices.empty() &&
          std::find(options_.devices.begin(), options_.devices.end(), d.name) == options_.devices.end())
        return true;
      if (std::any_of(devices_.begin(), devices_.end(),
                      [&](const Device& had) { return had.index == d.index; }))
        return false;
      const auto problem = program_->attach(d.index, instance_);
      if (problem) problems.push_back(d.name + ": " + *problem);
      return problem.has_value();
    });
    devices_ = std::move(found);
  }

  void beat() noexcept { program_->set(epoch_, monotonic_now() + kAliveFor); }

  void begin(const turn::Flow& flow) {
    if (!is_ours(flow)) return;
    const auto [at, is_new] = held_.try_emplace(name_of(flow));
    Held& held = at->second;
    if (is_new) {
      if (free_.empty()) {
        held_.erase(at);
        return;
      }
      held.slot = free_.back();
      free_.pop_back();
      slots_used_ = std::max(slots_used_, held.slot + 1);
      held.before = program_->counts(held.slot);
    } else if (held.flow.peer != flow.peer || held.flow.relay != flow.relay) {
      take_out(held);
    }
    held.flow = flow;
    place(held);
  }

  void end(turn::Flow& flow) {
    const auto found = held_.find(name_of(flow));
    if (found == held_.end()) return;
    Held& held = found->second;
    take_out(held);
    const ts_counts after = program_->counts(held.slot);
    flow.to_peer = difference(after.to_peer, held.before.to_peer);
    flow.to_client = difference(after.to_client, held.before.to_client);
    free_.push_back(held.slot);
    held_.erase(found);
  }

  /// Gives it to the kernel, both directions or none.
  void place(Held& held) {
    const turn::Flow& flow = held.flow;
    held.epoch = epoch_;
    const auto to_client = questions_.way(flow.tuple.server.address, flow.tuple.client.address, devices_);
    // Clients on this host come by a device that has no filter.
    const bool from_outside = to_client && to_client->device != TS_THIS_HOST;
    const auto to_peer =
        from_outside ? questions_.way(flow.relay.address, flow.peer.address, devices_) : std::nullopt;
    if (!to_peer) return take_out(held);
    const Entries entries = entries_of(flow, *to_client, *to_peer, held.slot, epoch_);
    const bool both = program_->put(entries.to_peer.key, entries.to_peer.value) &&
                      program_->put(entries.to_client.key, entries.to_client.value);
    if (!held.placed) ++placed_;
    held.placed = true;
    if (!both) take_out(held);
  }

  void take_out(Held& held) noexcept {
    if (!held.placed) return;
    const Entries entries = entries_of(held.flow, {}, {}, held.slot, epoch_);
    program_->remove(entries.to_peer.key);
    program_->remove(entries.to_client.key);
    held.placed = false;
    --placed_;
  }

  /// Runs on our thread until the end.
  void follow_changes() {
    std::array<pollfd, 2> both{{{changes_.descriptor(), POLLIN, 0}, {wake_, POLLIN, 0}}};
    bool stale = false;
    for (;;) {
      const int ready = ::poll(both.data(), both.size(), stale ? kQuietMilliseconds : kBeatMilliseconds);
      if ((both[1].revents & POLLIN) != 0) return;
      const bool changed = ready > 0 && changes_.drain();
      {
        const std::lock_guard lock(mutex_);
        // At once: whatever goes a wrong way now, the sockets send it the right one.
        if (changed && !stale) ++epoch_;
        beat();
      }
      if (changed) {
        stale = true;
      } else if (stale && ready == 0) {
        stale = false;
        place_again();
      }
    }
  }

  void place_again() {
    std::vector<Name> names;
    {
      const std::lock_guard lock(mutex_);
      std::vector<std::string> untold;  // of a device that came later: its flows are the sockets'
      attach_devices(untold);
      names.reserve(held_.size());
      for (const auto& [name, held] : held_) names.push_back(name);
    }
    for (std::size_t i = 0; i < names.size(); i += kAtOnce) {
      const std::lock_guard lock(mutex_);
      for (std::size_t j = i; j < std::min(i + kAtOnce, names.size()); ++j) {
        const auto found = held_.find(names[j]);
        if (found != held_.end() && found->second.epoch != epoch_) place(found->second);
      }
    }
  }

  const Options options_;
  std::unique_ptr<Program> program_;
  mutable std::mutex mutex_;
  boost::unordered_flat_map<Name, Held, NameHash> held_;
  std::vector<std::uint32_t> free_;
  std::uint32_t slots_used_ = 0;  // those below have been used
  std::uint64_t placed_ = 0;
  std::uint32_t epoch_ = 1;
  std::vector<Device> devices_;
  std::uint16_t instance_ = 0;
  Netlink questions_;
  Netlink changes_;
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

Result<std::vector<std::string>, std::string> Offload::attach(std::uint16_t instance,
                                                              std::vector<std::string>& warnings) {
  return impl_->attach(instance, warnings);
}
void Offload::apply(std::span<turn::Flow> flows) noexcept { impl_->apply(flows); }
Counters Offload::counters() const noexcept { return impl_->counters(); }

}  // namespace ts::offload
