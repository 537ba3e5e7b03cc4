// SPDX-License-Identifier: Apache-2.0
#include "ask_shard.hpp"

namespace ts::app {

boost::asio::awaitable<std::optional<std::optional<turn::AllocationDetail>>> ask_detail(
    boost::asio::io_context& context, net::Shard& shard, SlotHandle allocation) {
  std::function<std::optional<turn::AllocationDetail>(turn::Server&, Now, turn::Outbox&)> look =
      [allocation](turn::Server& server, Now now, turn::Outbox&) {
        return server.detail(allocation, now.mono);
      };
  return ask_shard<std::optional<turn::AllocationDetail>>(context, shard, std::move(look));
}

}  // namespace ts::app
