// SPDX-License-Identifier: Apache-2.0
#include <turnstone/base/check.hpp>
#include <turnstone/turn/outbox.hpp>

namespace ts::turn {

MutableBytes Outbox::reserve(std::size_t size) {
  if (size > kMaxReserve) {
    TS_BUG("Outbox::reserve beyond kMaxReserve");
    return {};
  }
  if (chunks_.empty() || kChunkBytes - used_ < size) {
    if (!chunks_.empty()) ++chunk_;
    used_ = 0;
    if (chunk_ >= chunks_.size()) chunks_.push_back(std::make_unique<std::uint8_t[]>(kChunkBytes));
  }
  return {chunks_[chunk_].get() + used_, size};
}

void Outbox::clear() noexcept {
  to_clients.clear();
  to_peers.clear();
  open_relays.clear();
  close_relays.clear();
  close_connections.clear();
  connect_peers.clear();
  bind_data.clear();
  hand_overs.clear();
  asks.clear();
  events.clear();
  flows.clear();
  letters.clear();
  chunk_ = 0;
  used_ = 0;
}

}  // namespace ts::turn
