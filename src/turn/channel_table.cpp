// SPDX-License-Identifier: Apache-2.0
#include "channel_table.hpp"

#include <algorithm>
#include <bit>

namespace ts::turn {

Channel* ChannelTable::find(std::uint16_t number) noexcept {
  const auto at = std::lower_bound(channels_.begin(), channels_.end(), number,
                                   [](const Channel& c, std::uint16_t n) { return c.number < n; });
  return at != channels_.end() && at->number == number ? &*at : nullptr;
}

Channel* ChannelTable::find(const Endpoint& peer) noexcept {
  if (index_ == nullptr) {
    const auto at = std::find_if(channels_.begin(), channels_.end(), [&](const Channel& c) {
      return c.peer.port == peer.port && c.peer == peer;
    });
    return at != channels_.end() ? &*at : nullptr;
  }
  const std::vector<std::uint16_t>& places = index_->places;
  for (std::size_t i = peer.hash(index_->seed);; ++i) {
    const std::uint16_t place = places[i & (places.size() - 1)];
    if (place == kFree) return nullptr;
    if (channels_[place].peer == peer) return &channels_[place];
  }
}

void ChannelTable::put(std::uint16_t place) noexcept {
  std::vector<std::uint16_t>& places = index_->places;
  std::size_t i = channels_[place].peer.hash(index_->seed);
  while (places[i & (places.size() - 1)] != kFree) ++i;
  places[i & (places.size() - 1)] = place;
}

void ChannelTable::reindex() noexcept {
  if (channels_.size() <= kMostWithoutIndex) index_.reset();
  if (index_ == nullptr) return;
  std::fill(index_->places.begin(), index_->places.end(), kFree);
  for (std::size_t place = 0; place < channels_.size(); ++place) put(static_cast<std::uint16_t>(place));
}

void ChannelTable::insert(const Channel& channel, std::uint64_t seed) {
  const std::size_t count = channels_.size() + 1;
  const bool needs_index = count > kMostWithoutIndex;
  const std::size_t room = needs_index ? 2 * std::bit_ceil(count) : 0;
  const bool grows = needs_index && (index_ == nullptr || index_->places.size() < room);
  auto index = grows ? std::make_unique<Index>(Index{seed, std::vector(room, kFree)}) : nullptr;
  const auto at = std::lower_bound(channels_.begin(), channels_.end(), channel.number,
                                   [](const Channel& c, std::uint16_t n) { return c.number < n; });
  const auto place = static_cast<std::uint16_t>(at - channels_.begin());
  channels_.insert(at, channel);
  // Nothing throws any more.
  if (!needs_index) return;
  if (grows) {
    index_ = std::move(index);
    return reindex();
  }
  for (std::uint16_t& other : index_->places)
    other = static_cast<std::uint16_t>(other + (other >= place && other != kFree ? 1 : 0));
  put(place);
}

}  // namespace ts::turn
