// SPDX-License-Identifier: Apache-2.0
#include "top_talkers.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include <turnstone/turn/inspect.hpp>
#include <turnstone/turn/server.hpp>

#include "admin_json.hpp"
#include "ask_shard.hpp"

namespace ts::app {
namespace {

namespace asio = boost::asio;
using Shards = std::vector<std::unique_ptr<net::Shard>>;

/// Nobody sees more by looking again so soon.
constexpr std::chrono::seconds kFresh{1};
/// Places of allocations that one turn of a shard looks at: no text is touched, so that it is soon done.
constexpr std::uint32_t kLookedAtOnce = 512;
/// Over all shards. What is beyond is not among the talkers, and the answer says so.
constexpr std::uint32_t kMostPlaces = 131'072;

/// However the look ends, somebody else may look then. The state may outlive the server that it looks at.
class Look {
 public:
  explicit Look(TopTalkers& kept) noexcept : kept_(kept) { kept_.looking = true; }
  Look(const Look&) = delete;
  Look& operator=(const Look&) = delete;
  ~Look() { kept_.looking = false; }

 private:
  TopTalkers& kept_;
};

/// True: all places of the shard were looked at; nothing: it does not answer.
asio::awaitable<std::optional<bool>> look_at(LoadRanking& ranking, asio::io_context& context,
                                             const Shards& shards, std::size_t shard, std::uint32_t most) {
  std::uint32_t from = 0;
  while (from < most) {
    std::function<turn::LoadPage(turn::Server&, Now, turn::Outbox&)> look = [from](turn::Server& server,
                                                                                   Now now, turn::Outbox&) {
      return server.loads(from, kLookedAtOnce, now.mono);
    };
    auto looking = ask_shard<turn::LoadPage>(context, *shards[shard], std::move(look));
    const std::optional<turn::LoadPage> page = co_await std::move(looking);
    if (!page) co_return std::nullopt;
    for (const turn::AllocationLoad& load : page->found) ranking.add(shard, load, page->at);
    if (!page->next) co_return true;
    from = *page->next;
  }
  co_return false;
}

asio::awaitable<std::optional<std::optional<turn::AllocationDetail>>> ask_about(
    const LoadRanking::Entry& entry, asio::io_context& context, const Shards& shards) {
  std::function<std::optional<turn::AllocationDetail>(turn::Server&, Now, turn::Outbox&)> look =
      [handle = entry.handle](turn::Server& server, Now now, turn::Outbox&) {
        return server.detail(handle, now.mono);
      };
  return ask_shard<std::optional<turn::AllocationDetail>>(context, *shards[entry.shard], std::move(look));
}

Json described(const LoadRanking::Entry& entry, const turn::AllocationView& view) {
  Json out = to_json(entry.shard, view);
  out["bits_per_second"] = entry.bytes_per_second * 8;
  out["packets_per_second"] = entry.packets_per_second;
  out["measured_seconds"] = entry.seconds;
  return out;
}

}  // namespace

asio::awaitable<std::optional<admin::Response>> top_talkers(std::shared_ptr<TopTalkers> kept,
                                                            asio::io_context& context, const Shards& shards) {
  using Clock = std::chrono::steady_clock;
  const bool fresh = kept->last && Clock::now() - kept->last_at < kFresh;
  if (kept->looking || fresh) {
    std::optional<admin::Response> same = kept->last;
    co_return same;
  }
  const Look look(*kept);
  kept->ranking.begin();
  const auto count = static_cast<std::uint32_t>(shards.size());
  const std::uint32_t share = std::max(kMostPlaces / std::max(count, 1U), kLookedAtOnce);
  bool complete = true;
  for (std::size_t shard = 0; shard < shards.size(); ++shard) {
    auto looking = look_at(kept->ranking, context, shards, shard, share);
    const std::optional<bool> all = co_await std::move(looking);
    if (!all) co_return std::nullopt;
    complete = complete && *all;
  }
  Json items = Json::array();
  const std::vector<LoadRanking::Entry> busiest = kept->ranking.finish();
  for (const LoadRanking::Entry& entry : busiest) {
    auto looking = ask_about(entry, context, shards);
    const auto found = co_await std::move(looking);
    if (!found) co_return std::nullopt;
    // It may have ended meanwhile.
    if (*found) items.push_back(described(entry, (*found)->view));
  }
  Json body = Json::object();
  body["complete"] = complete;
  body["allocations"] = std::move(items);
  kept->last = answer(body);
  kept->last_at = Clock::now();
  std::optional<admin::Response> out = kept->last;
  co_return out;
}

}  // namespace ts::app
