// SPDX-License-Identifier: Apache-2.0
// Looks for the allocations that relay the most: all shards, a bounded piece of work at a time. HTTP thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <turnstone/admin/api.hpp>
#include <turnstone/net/shard.hpp>

#include "load_ranking.hpp"
#include "top_tour.hpp"

namespace ts::app {

/// What is kept between two looks. One look at a time; whoever asks meanwhile gets the answer of the last
/// one, if that is a few seconds old, or waits; whoever asks right afterwards gets the last one, too.
struct TopTalkers {
  static constexpr std::size_t kMost = 20;
  LoadRanking ranking{kMost};
  TopTour tour;
  bool looking = false;
  std::optional<admin::Response> last;
  std::chrono::steady_clock::time_point last_at;
};

/// The body of GET /v1/top. The shards and the context must live until the coroutine ends; nothing when a
/// shard does not answer in time, or another look is under way and takes too long.
boost::asio::awaitable<std::optional<admin::Response>> top_talkers(
    std::shared_ptr<TopTalkers> kept, boost::asio::io_context& context,
    const std::vector<std::unique_ptr<net::Shard>>& shards);

}  // namespace ts::app
