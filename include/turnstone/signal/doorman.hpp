// SPDX-License-Identifier: Apache-2.0
// Doorman: hellos whose token only the application can judge. Keeps who waits, bounded; asks through the
// shell, and hands each answer to whom it is for, once. Pure. The Router's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/base/address.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/signal/counters.hpp>
#include <turnstone/signal/failure.hpp>
#include <turnstone/signal/identity.hpp>
#include <turnstone/signal/options.hpp>

namespace ts::signal {

/// Never used again.
using QuestionId = std::uint64_t;

/// Tokens that are longer are nobody's.
inline constexpr std::size_t kMaxHookTokenBytes = 8192;
inline constexpr std::size_t kMaxOriginBytes = 256;

struct HelloQuestion {
  /// A secret: for the application, never for a log.
  std::string token;
  /// The peer id and the room that the client asks for; empty: none, or not known yet.
  std::string peer;
  std::string room;
  /// Of the web page; empty: none was sent, or it is not known.
  std::string origin;
  /// Static: "native", "socketio" or "peerjs".
  std::string_view dialect;
  IpAddress client;
};

/// What the application says. Empty texts and absent values: it says nothing of it.
struct HelloAnswer {
  HookResult result = HookResult::Unreachable;
  /// For people, when refused.
  std::string reason;
  std::string subject;
  std::string peer;
  /// JSON.
  std::string meta;
  std::optional<Rights> can;
  std::optional<std::vector<std::string>> rooms;
  Limits limits;
  WallTime expires = WallTime::max();
};

/// Who came; without an identity, why not (the text lives as long as the call that brings it).
struct Verdict {
  std::shared_ptr<const Identity> identity;
  Failure failure;
};

class Doorman {
 public:
  static constexpr std::size_t kMaxWaiting = 1024;
  /// Of one IPv4 address or IPv6 /64.
  static constexpr std::size_t kMaxWaitingOfOne = 64;
  /// When somebody may try again whom the application has not judged.
  static constexpr std::chrono::milliseconds kRetry{2000};

  /// Carries a question to the application; the answer comes by answered(), and not before it returns.
  using Ask = std::function<void(QuestionId, const HelloQuestion&)>;
  using Done = std::function<void(const Now&, const Verdict&)>;

  /// `most`: rights that no answer goes beyond; `usual`: those of an answer that names none.
  void use(Rights most, Rights usual) noexcept { most_ = most, usual_ = usual; }
  /// Empty: nobody is asked any more; who waits is told by abandon().
  void set_ask(Ask ask) { ask_ = std::move(ask); }
  bool is_on() const noexcept { return static_cast<bool>(ask_); }

  /// `done` is called once, unless the question is withdrawn. Nothing: too many wait.
  std::optional<QuestionId> ask(HelloQuestion question, Done done);
  /// The connection has ended; what comes for it is ignored.
  void withdraw(QuestionId id);
  /// Unknown ids are ignored: their connections have ended.
  void answered(const Now& now, QuestionId id, const HelloAnswer& answer);
  /// Nobody will answer: all who wait are told so.
  void abandon(const Now& now);

  const HookCounters& counters() const noexcept { return counters_; }

 private:
  struct Waiting {
    std::string address;
    std::string token_digest;
    Done done;
  };

  std::optional<Waiting> take(QuestionId id);
  Verdict judge(const Now& now, const Waiting& who, const HelloAnswer& answer) const;

  Ask ask_;
  Rights most_;
  Rights usual_;
  QuestionId last_ = 0;
  boost::unordered_flat_map<QuestionId, Waiting> waiting_;
  boost::unordered_flat_map<std::string, std::size_t> of_address_;
  HookCounters counters_;
};

}  // namespace ts::signal
