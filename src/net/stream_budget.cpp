// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include <turnstone/net/stream_budget.hpp>

#include "source.hpp"

namespace ts::net {
namespace {

template <class T>
constexpr T limit_of(T option) noexcept {
  return option == 0 ? std::numeric_limits<T>::max() : option;
}

}  // namespace

StreamBudget::StreamBudget(const Options& options, RandomSource& random)
    : most_(limit_of<std::uint64_t>(options.max_streams)),
      most_of_one_(limit_of(options.max_streams_per_address)),
      most_half_open_of_one_(limit_of(options.max_half_open_per_address)),
      sources_(0, Hash{load_be64(random.bytes<8>().data())}) {}

void StreamBudget::cap(std::uint64_t streams) noexcept {
  const std::lock_guard lock(mutex_);
  most_ = std::min(most_, streams);
}

bool StreamBudget::count(const IpAddress& source, bool half_open) {
  Count& count = sources_[source];  // with its first stream it stays
  if (count.open >= most_of_one_ || (half_open && count.half_open >= most_half_open_of_one_)) return false;
  ++count.open;
  count.half_open += half_open ? 1 : 0;
  return true;
}

void StreamBudget::leave(const IpAddress& source, bool half_open) noexcept {
  const auto found = sources_.find(source);
  if (found == sources_.end()) return;
  found->second.half_open -= half_open ? 1 : 0;
  if (--found->second.open == 0) sources_.erase(found);
}

Result<StreamTicket, StreamRefusal> StreamBudget::admit(const std::optional<IpAddress>& client) {
  StreamTicket ticket;
  const std::lock_guard lock(mutex_);
  if (open_ >= most_) return StreamRefusal::Limit;
  if (client) {
    ticket.source_ = source_of(*client);
    if (!count(ticket.source_, true)) return StreamRefusal::AddressLimit;
    ticket.counted_ = true;
  }
  ++open_;
  ticket.budget_ = this;
  return ticket;
}

void StreamBudget::add_door(const void* door, std::function<void()> ask) {
  const std::lock_guard lock(mutex_);
  doors_.push_back({door, std::move(ask)});
}

void StreamBudget::remove_door(const void* door) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase_if(doors_, [door](const Door& d) { return d.door == door; });
}

bool StreamBudget::ask_others(const void* door) {
  const std::lock_guard lock(mutex_);
  bool asked = false;
  for (const Door& other : doors_) {
    if (other.door == door) continue;
    other.ask();
    asked = true;
  }
  return asked;
}

bool StreamBudget::is_full() const {
  const std::lock_guard lock(mutex_);
  return open_ >= most_;
}

std::uint64_t StreamBudget::open_count() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

std::size_t StreamBudget::address_count() const {
  const std::lock_guard lock(mutex_);
  return sources_.size();
}

void StreamTicket::reset() noexcept {
  if (budget_ == nullptr) return;
  StreamBudget& budget = *std::exchange(budget_, nullptr);
  const std::lock_guard lock(budget.mutex_);
  --budget.open_;
  if (counted_) budget.leave(source_, half_open_);
}

void StreamTicket::shown() noexcept {
  if (budget_ == nullptr || !std::exchange(half_open_, false) || !counted_) return;
  const std::lock_guard lock(budget_->mutex_);
  const auto found = budget_->sources_.find(source_);
  if (found != budget_->sources_.end()) --found->second.half_open;
}

bool StreamTicket::charge(const IpAddress& client) {
  if (budget_ == nullptr || counted_) return true;
  const std::lock_guard lock(budget_->mutex_);
  source_ = source_of(client);
  counted_ = budget_->count(source_, half_open_);
  return counted_;
}

}  // namespace ts::net
