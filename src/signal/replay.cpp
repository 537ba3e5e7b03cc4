// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <turnstone/signal/replay.hpp>

namespace ts::signal {

/// With the allocations around a text, so that a flood of tiny ones is bounded too.
std::size_t Replay::cost(const Text& text) noexcept { return text->size() + 64; }

std::uint64_t Replay::push(Text text) {
  bytes_ += cost(text);
  texts_.push_back(std::move(text));
  return last();
}

bool Replay::drop() {
  if (count() == 0) return false;
  bytes_ -= cost(texts_[head_]);
  texts_[head_].reset();
  ++head_, ++first_;
  if (head_ == texts_.size()) {
    texts_.clear();
    head_ = 0;
  } else if (head_ > 16 && head_ > texts_.size() / 2) {
    texts_.erase(texts_.begin(), texts_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  return true;
}

void Replay::acknowledge(std::uint64_t seq) {
  while (first_ <= seq && drop()) {
  }
}

void Replay::clear() {
  first_ += count();
  texts_ = {};
  head_ = bytes_ = 0;
}

std::vector<Replay::Kept> Replay::after(std::uint64_t seq) const {
  std::vector<Kept> out;
  for (std::uint64_t at = std::max(seq + 1, first_); at <= last(); ++at) {
    out.push_back(Kept{at, texts_[head_ + static_cast<std::size_t>(at - first_)]});
  }
  return out;
}

}  // namespace ts::signal
