// SPDX-License-Identifier: Apache-2.0
#include "webhook_queue.hpp"

#include <algorithm>
#include <utility>

namespace ts::app {

/// The oldest that is not on its way. False: all are.
bool WebhookQueue::drop_oldest() {
  std::deque<Entry>* from = nullptr;
  std::size_t at = 0;
  for (Lane& lane : lanes_) {
    const std::size_t first = lane.busy ? 1 : 0;
    if (lane.entries.size() <= first) continue;
    if (from != nullptr && (*from)[at].number < lane.entries[first].number) continue;
    from = &lane.entries;
    at = first;
  }
  if (from == nullptr) return false;
  from->erase(from->begin() + static_cast<std::ptrdiff_t>(at));
  --size_;
  return true;
}

std::size_t WebhookQueue::set_limit(std::size_t most) {
  most_ = most;
  std::size_t dropped = 0;
  while (size_ > most_ && drop_oldest()) ++dropped;
  return dropped;
}

std::size_t WebhookQueue::push(TimePoint now, std::uint64_t key, std::shared_ptr<const WebhookPost> post) {
  std::size_t dropped = 0;
  while (size_ >= most_ && drop_oldest()) ++dropped;
  lanes_[key % kLanes].entries.push_back(Entry{std::move(post), ++numbers_, now, now, 0});
  ++size_;
  return dropped;
}

std::optional<WebhookQueue::Sending> WebhookQueue::next(TimePoint now) {
  for (std::size_t i = 0; i < kLanes; ++i) {
    const std::size_t at = (first_ + i) % kLanes;
    Lane& lane = lanes_[at];
    if (lane.busy || lane.entries.empty() || lane.entries.front().due > now) continue;
    first_ = at + 1;
    lane.busy = true;
    return Sending{at, lane.entries.front().post};
  }
  return std::nullopt;
}

void WebhookQueue::settle(std::size_t lane) {
  Lane& l = lanes_[lane];
  if (!std::exchange(l.busy, false)) return;
  l.entries.pop_front();
  --size_;
}

bool WebhookQueue::retry(TimePoint now, std::size_t lane, std::chrono::milliseconds retry_time,
                         RandomSource& random) {
  Lane& l = lanes_[lane];
  if (!l.busy) return true;
  Entry& entry = l.entries.front();
  const std::uint32_t doublings = std::min<std::uint32_t>(entry.failures++, 6);
  const auto pause = std::min(kFirstPause * (1U << doublings), kLongestPause);
  const auto jitter = random.below(static_cast<std::uint32_t>(pause.count() / 2));
  const TimePoint due = now + pause + std::chrono::milliseconds(jitter);
  if (due > entry.since + retry_time) {
    settle(lane);
    return false;
  }
  entry.due = due;
  l.busy = false;
  return true;
}

void WebhookQueue::release() {
  for (Lane& lane : lanes_) lane.busy = false;
}

std::optional<TimePoint> WebhookQueue::next_due() const noexcept {
  std::optional<TimePoint> out;
  for (const Lane& lane : lanes_) {
    if (lane.busy || lane.entries.empty()) continue;
    if (!out || lane.entries.front().due < *out) out = lane.entries.front().due;
  }
  return out;
}

}  // namespace ts::app
