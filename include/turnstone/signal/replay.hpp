// SPDX-License-Identifier: Apache-2.0
// Replay: the numbered messages of one session that were not acknowledged yet, so that a client that comes
// back gets exactly what it has missed. Bounded by whoever fills it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ts::signal {

class Replay {
 public:
  /// Texts are shared by all receivers of a broadcast, hence without their numbers.
  using Text = std::shared_ptr<const std::string>;
  struct Kept {
    std::uint64_t seq = 0;
    Text text;
  };

  /// Keeps a message; its number. The first one's is 1.
  std::uint64_t push(Text text);
  /// Forgets what is numbered up to `seq`; what has no number yet stays.
  void acknowledge(std::uint64_t seq);
  /// Forgets the oldest message; false: there is none.
  bool drop();
  void clear();

  /// The newest message's number; 0: there was none.
  std::uint64_t last() const noexcept { return first_ + count() - 1; }
  /// All messages with higher numbers up to the last one are there.
  bool covers(std::uint64_t seq) const noexcept { return seq <= last() && seq + 1 >= first_; }
  /// The messages with higher numbers, in order.
  std::vector<Kept> after(std::uint64_t seq) const;

  std::size_t count() const noexcept { return texts_.size() - head_; }
  /// What the messages cost, as though nobody shared them.
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  static std::size_t cost(const Text& text) noexcept;

  std::vector<Text> texts_;  // from head_ on
  std::size_t head_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t first_ = 1;  // the number of the message at head_
};

}  // namespace ts::signal
