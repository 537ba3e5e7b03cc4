// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <turnstone/signal/cluster_verdicts.hpp>

namespace ts::signal {

void Kicks::add(TimePoint now, Key key, std::uint64_t order, std::string_view reason) {
  const auto gone = [&](const Key& oldest) {
    return all_.size() >= kMaxVerdicts || all_.find(oldest)->second.until <= now;
  };
  while (!ages_.empty() && gone(ages_.front())) {
    all_.erase(ages_.front());
    ages_.pop_front();
  }
  const auto [at, is_new] = all_.try_emplace(key);
  if (is_new) ages_.push_back(std::move(key));
  Kick& kick = at->second;
  if (order < kick.order) return;
  kick.order = order;
  kick.reason = reason;
  kick.until = now + kVerdictTime;
}

const Kicks::Kick* Kicks::find(TimePoint now, std::string_view node, std::uint64_t number,
                               std::string_view room, std::uint64_t order) const {
  if (all_.empty()) return nullptr;
  const auto at = all_.find(Key{std::string(node), number, std::string(room)});
  if (at == all_.end() || at->second.until <= now || order > at->second.order) return nullptr;
  return &at->second;
}

bool Bans::take(TimePoint now, const RemoteBan& ban) {
  const auto gone = [&](const Key& oldest) {
    return all_.size() >= kMaxVerdicts || all_.find(oldest)->second.forget <= now;
  };
  while (!ages_.empty() && gone(ages_.front())) {
    all_.erase(ages_.front());
    ages_.pop_front();
  }
  Key key{std::string(ban.room), std::string(ban.peer)};
  const auto [at, is_new] = all_.try_emplace(key);
  if (is_new) ages_.push_back(std::move(key));
  Word& word = at->second;
  // Of bans alone both may count: one id may stand for several credentials.
  if (!is_new && ban.stamp < word.stamp) return !word.ends;
  word = Word{std::string(ban.credential),
              std::string(ban.reason),
              ban.stamp,
              ban.time.count() == 0,
              now + std::min<Duration>(ban.time, std::chrono::hours(24 * 7)),
              now + kVerdictTime};
  return true;
}

std::vector<RemoteBan> Bans::words(TimePoint now) const {
  std::vector<RemoteBan> out;
  for (const auto& [key, word] : all_) {
    if (word.forget <= now || (!word.ends && word.until <= now)) continue;
    const auto left =
        word.ends ? std::chrono::seconds(0) : std::chrono::ceil<std::chrono::seconds>(word.until - now);
    out.push_back({key.first, key.second, word.credential, left, word.reason, word.stamp});
  }
  return out;
}

}  // namespace ts::signal
