// SPDX-License-Identifier: Apache-2.0
// StreamBudget: how many streams there may be, over all shards and HTTP, and how many of one address. Any
// thread: a lock is held for nanoseconds when a stream begins, shows what it speaks, and ends.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/base/address.hpp>
#include <turnstone/base/random.hpp>
#include <turnstone/base/result.hpp>
#include <turnstone/net/counters.hpp>
#include <turnstone/net/options.hpp>

namespace ts::net {

class StreamBudget;

/// The place of one open stream in the budget, given back when this goes. It travels with the stream.
class StreamTicket {
 public:
  StreamTicket() noexcept = default;
  StreamTicket(StreamTicket&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)),
        source_(other.source_),
        counted_(other.counted_),
        half_open_(other.half_open_) {}
  StreamTicket& operator=(StreamTicket&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(source_, other.source_);
    std::swap(counted_, other.counted_);
    std::swap(half_open_, other.half_open_);
    return *this;
  }
  ~StreamTicket() { reset(); }

  /// Gives the place back; idempotent.
  void reset() noexcept;
  /// The stream has shown what it speaks: it is half open no more.
  void shown() noexcept;
  /// Counts the stream for this address, of which a balancer told. False: that one has too many.
  bool charge(const IpAddress& client);

 private:
  friend class StreamBudget;

  StreamBudget* budget_ = nullptr;
  IpAddress source_;  // an address or the first of a /64
  bool counted_ = false;
  bool half_open_ = true;
};

class StreamBudget {
 public:
  StreamBudget(const Options& options, RandomSource& random);
  StreamBudget(const StreamBudget&) = delete;
  StreamBudget& operator=(const StreamBudget&) = delete;

  /// Lowers the limit of all streams, to what descriptors leave room for. Before the first stream.
  void cap(std::uint64_t streams) noexcept;
  /// A place for a stream of this address (IPv6: of its /64), or why there is none. Without an address (a
  /// balancer's) only the total counts. The budget must outlive the ticket.
  Result<StreamTicket, StreamRefusal> admit(const std::optional<IpAddress>& client);
  /// Adds somebody whose silent streams may give way to others. `ask` is called on any thread, with a lock
  /// held: it only posts.
  void add_door(const void* door, std::function<void()> ask);
  void remove_door(const void* door) noexcept;
  /// Asks all doors but this one for a place. False: there is no other one.
  bool ask_others(const void* door);
  bool is_full() const;
  std::uint64_t open_count() const;
  /// Addresses in the table: none of them without a stream.
  std::size_t address_count() const;

 private:
  friend class StreamTicket;

  struct Count {
    std::uint32_t open = 0;
    std::uint32_t half_open = 0;
  };
  struct Hash {
    std::uint64_t seed;
    std::size_t operator()(const IpAddress& address) const noexcept { return address.hash(seed); }
  };

  bool count(const IpAddress& source, bool half_open);
  void leave(const IpAddress& source, bool half_open) noexcept;

  mutable std::mutex mutex_;
  std::uint64_t most_;
  const std::uint32_t most_of_one_;
  const std::uint32_t most_half_open_of_one_;
  std::uint64_t open_ = 0;
  struct Door {
    const void* door;
    std::function<void()> ask;
  };
  std::vector<Door> doors_;
  boost::unordered_flat_map<IpAddress, Count, Hash> sources_;
};

}  // namespace ts::net
