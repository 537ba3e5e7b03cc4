// SPDX-License-Identifier: Apache-2.0
// Shard: one thread with one io_context, its own listeners, relay sockets and turn::Server. Shards share
// nothing on the data path; what an allocation's begin and end need is behind the Ledger.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include <turnstone/auth/hook.hpp>
#include <turnstone/net/counters.hpp>
#include <turnstone/net/listen.hpp>
#include <turnstone/net/options.hpp>
#include <turnstone/net/stream.hpp>
#include <turnstone/net/stream_budget.hpp>
#include <turnstone/net/tls.hpp>
#include <turnstone/turn/server.hpp>

namespace ts::net {

/// A Ledger that all shards may use: a LocalLedger behind a lock, which is held for nanoseconds.
class SharedLedger final : public turn::Ledger {
 public:
  explicit SharedLedger(const turn::Options& options) : ledger_(options) {}

  std::optional<turn::Denial> admit(std::string_view account) override;
  void leave(std::string_view account) override;
  bool admit_credential(std::string_view username, std::uint32_t most) override;
  void leave_credential(std::string_view username) override;
  turn::BudgetId join_budget(std::string_view name, TokenRate rate, TimePoint now) override;
  void leave_budget(turn::BudgetId id, std::uint64_t unused) override;
  std::uint64_t lease(turn::BudgetId id, std::uint64_t least, std::uint64_t wanted, TimePoint now) override;
  Duration charge(turn::BudgetId id, std::uint64_t tokens, TimePoint now) override;
  std::optional<std::uint16_t> take_port(IpFamily family, turn::PortParity parity, std::string_view account,
                                         TimePoint now, RandomSource& random) override;
  void return_port(IpFamily family, std::uint16_t port) override;
  turn::ReservationToken reserve(IpFamily family, std::uint16_t port, std::string_view account,
                                 TimePoint expires, RandomSource& random) override;
  std::optional<Endpoint> redeem(const turn::ReservationToken& token, TimePoint now) override;
  std::uint64_t add_place(const turn::Place& place, RandomSource& random) override;
  void set_place(std::uint64_t id, const turn::Place& place) override;
  std::optional<turn::Place> place_of(std::uint64_t id) const override;
  void forget_place(std::uint64_t id) override;
  Ports ports() const override;
  /// As LocalLedger::use().
  void use(const turn::Options& options);

 private:
  mutable std::mutex mutex_;
  turn::LocalLedger ledger_;
};

class Shard;

/// What shards share; all of it outlives them.
struct ShardSurroundings {
  const Options& options;
  turn::Surroundings turn;
  StreamBudget& stream_budget;
  /// Null: no TLS.
  std::shared_ptr<const TlsContext> tls;
  /// Takes a stream that speaks HTTP. Called on the shard's thread; must not block.
  std::function<void(DetachedStream)> to_http;
  /// Begins and ends of allocations, for the log. Called on the shard's thread.
  std::function<void(const turn::AllocationEvent&)> on_allocation;
  /// Asks the external source of credentials; the answer comes back through Shard::credential_answered.
  /// Called on the shard's thread; must not block. Null: there is none.
  std::function<void(turn::AskCredential)> ask_credential = {};
  /// A revocation made an older one forgotten before it had lapsed. Called on the shard's thread. Null:
  /// nobody wants to know.
  std::function<void(turn::RevocationCause)> revocation_forgotten = {};
  /// Who relays in our place what it can; called on the shard's thread. Null: the sockets relay everything.
  turn::FlowSink* flows = nullptr;
  /// All shards, and which of them this is. Null: there is but one.
  const std::vector<std::unique_ptr<Shard>>* siblings = nullptr;
  std::uint8_t index = 0;
};

struct ShardSnapshot {
  turn::Counters turn;
  Counters net;
};

class Shard {
 public:
  /// Takes the listeners over; nothing is read before start(). Throws std::system_error when the kernel gives
  /// no epoll descriptor.
  Shard(ShardSurroundings surroundings, ShardSockets sockets);
  ~Shard();

  /// Starts the thread.
  void start();
  /// Ends every allocation and stream and joins the thread. Idempotent.
  void stop();
  /// Carries a letter of another shard's core over, and the relay sockets that go with it by family. Any
  /// thread.
  void deliver(turn::Letter letter, std::array<Descriptor, 2> relays);
  /// Ends what the revocation means, on the shard's thread, and lets it in no more.
  void revoke(turn::Revocation revocation);
  /// From now on these let clients in.
  void use_credentials(std::shared_ptr<const auth::Credentials> credentials);
  /// From now on these options hold, as far as they may change (turn::Server::options_changed()).
  void use_options(std::shared_ptr<const turn::Options> options);
  /// From now on handshakes are made with this certificate; sessions go on. Only where there was one before.
  void use_tls(std::shared_ptr<const TlsContext> tls);
  /// Runs `what` on the shard's thread, and does what it puts into the Outbox. It must be short: meanwhile
  /// nothing is relayed. Not run when the shard has been stopped. Any thread.
  void with_server(std::function<void(turn::Server&, Now, turn::Outbox&)> what);
  /// The external source has answered. Any thread.
  void credential_answered(std::uint64_t question, auth::HookAnswer answer);
  /// Copies the counters; `done` is called on the shard's thread.
  void snapshot(std::function<void(const ShardSnapshot&)> done);
  /// Takes over a TURN stream that another shard has begun to read. From any thread.
  void adopt_stream(MovedStream stream);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ts::net
