// SPDX-License-Identifier: Apache-2.0
// Requests that wait until the external source has answered: copies, few and small.
#pragma once

#include <string>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/auth/hook.hpp>
#include <turnstone/base/random.hpp>
#include <turnstone/stun/message.hpp>
#include <turnstone/turn/client.hpp>
#include <turnstone/turn/source_limiter.hpp>

namespace ts::turn {

struct Parked {
  FiveTuple tuple;
  Route route = 0;
  std::uint8_t tos = 0;
  stun::TransactionId transaction{};
  std::vector<std::uint8_t> bytes;
};

struct Question {
  auth::HookName name{};
  std::string username;
  std::string realm;
  TimePoint asked;
  std::vector<Parked> parked;
};

class Waiting {
 public:
  /// Of all five-tuples together, and of one source (IPv4 address, IPv6 /64).
  static constexpr std::size_t kMaxParked = 256;
  static constexpr std::size_t kMaxParkedPerSource = 64;
  /// A longer request is none that a client without an allocation has reason to send.
  static constexpr std::size_t kMaxRequestBytes = 1536;
  /// After so many questions in a row that nobody answered, one at a time is asked, and not at once.
  static constexpr unsigned kMaxInVain = 3;

  Waiting(const auth::HookOptions& options, RandomSource& random);

  /// True when the request may wait: there is room, and its question is on its way or may be asked.
  bool has_room_for(const Inbound& in, const auth::HookName& name, TimePoint now);
  /// Parks the request. The question's number, when it has to be asked.
  std::optional<std::uint64_t> park(const Inbound& in, const stun::TransactionId& transaction,
                                    const auth::HookName& name, std::string_view username,
                                    std::string_view realm, TimePoint now);
  /// The transaction that waits on the five-tuple.
  const stun::TransactionId* parked_on(const FiveTuple& tuple) const noexcept;
  void forget(const FiveTuple& tuple);
  void clear();
  /// Ends the question; nothing: it is not ours, or has been answered.
  std::optional<Question> take(std::uint64_t number);
  /// Learns from how a question ended.
  void note(auth::HookAnswer::Kind kind, TimePoint now) noexcept;

  std::size_t parked_count() const noexcept { return by_tuple_.size(); }

  auth::HookCache cache;

 private:
  struct Place {
    std::uint64_t question = 0;
    stun::TransactionId transaction{};
  };
  struct TupleHash {
    std::uint64_t seed;
    std::size_t operator()(const FiveTuple& t) const noexcept {
      return t.client.hash(t.server.hash(seed + static_cast<std::uint64_t>(t.transport)));
    }
  };
  struct NameHash {
    std::size_t operator()(const auth::HookName& name) const noexcept { return load_be64(name.data()); }
  };

  bool may_ask(const IpAddress& source, TimePoint now) noexcept;
  std::size_t parked_of(const IpAddress& source) const noexcept;

  SourceLimiter sources_;
  std::uint64_t next_ = 0;
  unsigned in_vain_ = 0;
  TimePoint paused_until_ = TimePoint::min();
  boost::unordered_flat_map<std::uint64_t, Question> questions_;
  boost::unordered_flat_map<auth::HookName, std::uint64_t, NameHash> by_name_;
  boost::unordered_flat_map<FiveTuple, Place, TupleHash> by_tuple_;
};

}  // namespace ts::turn
