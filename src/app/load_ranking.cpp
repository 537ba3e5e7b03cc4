// SPDX-License-Identifier: Apache-2.0
#include "load_ranking.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace ts::app {
namespace {

/// What is younger has not shown yet what it will do.
constexpr double kLeastSeconds = 1;
/// What was seen longer ago tells nothing of what somebody does now.
constexpr std::chrono::minutes kRemembered{1};

bool busier(const LoadRanking::Entry& a, const LoadRanking::Entry& b) noexcept {
  return a.bytes_per_second > b.bytes_per_second;
}

double seconds(Duration time) noexcept { return std::chrono::duration<double>(time).count(); }

}  // namespace

void LoadRanking::begin() {
  now_.clear();
  best_.clear();
}

void LoadRanking::add(std::size_t shard, const turn::AllocationLoad& load, TimePoint at) {
  const std::uint64_t place = (std::uint64_t{shard} << 32U) | load.handle.index;
  now_.insert_or_assign(place, Seen{load.handle.generation, load.relayed, at});
  newest_ = std::max(newest_, at);
  Entry entry;
  entry.shard = shard;
  entry.handle = load.handle;
  entry.seconds = seconds(load.age);
  turn::Traffic then;
  const auto known = before_.find(place);
  const bool same = known != before_.end() && known->second.generation == load.handle.generation;
  if (same && at - known->second.at <= kRemembered) {
    then = known->second.relayed;
    entry.seconds = seconds(at - known->second.at);
  }
  if (load.relayed.bytes <= then.bytes) return;
  entry.seconds = std::max(entry.seconds, kLeastSeconds);
  entry.bytes_per_second = static_cast<double>(load.relayed.bytes - then.bytes) / entry.seconds;
  entry.packets_per_second = static_cast<double>(load.relayed.packets - then.packets) / entry.seconds;
  best_.push_back(entry);
  std::push_heap(best_.begin(), best_.end(), busier);
  if (best_.size() <= most_) return;
  std::pop_heap(best_.begin(), best_.end(), busier);
  best_.pop_back();
}

std::vector<LoadRanking::Entry> LoadRanking::finish() {
  std::sort_heap(best_.begin(), best_.end(), busier);
  // A look may not reach everything: what it did not is compared with by a later one.
  boost::unordered::erase_if(before_,
                             [this](const auto& seen) { return newest_ - seen.second.at > kRemembered; });
  for (const auto& [place, seen] : now_) before_.insert_or_assign(place, seen);
  now_.clear();
  return std::exchange(best_, {});
}

}  // namespace ts::app
