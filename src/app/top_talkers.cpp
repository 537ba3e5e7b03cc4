// SPDX-License-Identifier: Apache-2.0
#include "top_talkers.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

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
/// Allocations of one look, over all shards. The next one goes on with the others.
constexpr std::size_t kMostFound = 131'072;
/// An answer that is older is no news; whoever asks while a look is under way waits for its end instead.
constexpr std::chrono::seconds kStale{5};
constexpr std::chrono::milliseconds kWaited{50};

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

struct Seen {
  turn::LoadPage page;
  std::size_t live = 0;
};

/// False: a shard does not answer. How far it came is in `kept`.
asio::awaitable<bool> look_around(TopTalkers& kept, asio::io_context& context, const Shards& shards,
                                  const CallTime& time) {
  std::size_t found = 0;
  kept.tour.begin(shards.size());
  while (!kept.tour.is_complete() && found < kMostFound && !time.is_over()) {
    std::function<Seen(turn::Server&, Now, turn::Outbox&)> look =
        [from = kept.tour.place()](turn::Server& server, Now now, turn::Outbox&) {
          return Seen{server.loads(from, kLookedAtOnce, now.mono), server.allocation_count()};
        };
    const std::size_t shard = kept.tour.shard();
    auto looking = ask_shard<Seen>(context, *shards[shard], std::move(look), time);
    const std::optional<Seen> seen = co_await std::move(looking);
    if (!seen) co_return false;
    for (const turn::AllocationLoad& load : seen->page.found) kept.ranking.add(shard, load, seen->page.at);
    found += seen->page.found.size();
    kept.tour.saw(seen->page.found.size(), seen->live, seen->page.next);
  }
  co_return true;
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
  const auto kept_for = [&kept](std::chrono::seconds most) {
    const bool young = kept->last && std::chrono::steady_clock::now() - kept->last_at < most;
    return young ? kept->last : std::optional<admin::Response>();
  };
  const CallTime waiting;
  while (kept->looking && !kept_for(kStale) && !waiting.is_over()) {
    asio::steady_timer timer(context, kWaited);
    const auto token = asio::as_tuple(asio::use_awaitable);
    co_await timer.async_wait(token);
  }
  std::optional<admin::Response> same = kept_for(kept->looking ? kStale : kFresh);
  if (same || kept->looking) co_return same;
  const Look look(*kept);
  const CallTime time;
  kept->ranking.begin();
  auto looking = look_around(*kept, context, shards, time);
  const bool looked = co_await std::move(looking);
  if (!looked) co_return std::nullopt;
  Json items = Json::array();
  const std::vector<LoadRanking::Entry> busiest = kept->ranking.finish();
  for (const LoadRanking::Entry& entry : busiest) {
    auto asking = ask_detail(context, *shards[entry.shard], entry.handle);
    const auto found = co_await std::move(asking);
    if (!found) co_return std::nullopt;
    // It may have ended meanwhile.
    if (*found) items.push_back(described(entry, (*found)->view));
  }
  Json body = Json::object();
  body["complete"] = kept->tour.is_complete();
  body["allocations"] = std::move(items);
  kept->last = answer(body);
  kept->last_at = std::chrono::steady_clock::now();
  std::optional<admin::Response> out = kept->last;
  co_return out;
}

}  // namespace ts::app
