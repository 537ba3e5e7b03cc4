// SPDX-License-Identifier: Apache-2.0
#include <future>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>

#include <turnstone/net/clock.hpp>
#include <turnstone/net/shard.hpp>

#include "affinity.hpp"
#include "nap.hpp"
#include "peer_streams.hpp"
#include "stream_set.hpp"
#include "udp_engine.hpp"

namespace ts::net {

namespace {
using RelayPair = std::array<Descriptor, 2>;

/// So that what streams ask for does not wait long while more and more comes, or handshakes take their time.
constexpr Duration kLongestGather = std::chrono::microseconds(500);
/// Streams that were read so lately gather with the datagrams.
constexpr Duration kStreamsBusy = std::chrono::milliseconds(10);
}  // namespace

class Shard::Impl {
 public:
  Impl(ShardSurroundings surroundings, ShardSockets sockets)
      : surroundings_(std::move(surroundings)),
        options_(surroundings_.turn.options),
        server_(with_options(surroundings_.turn, options_)),
        coalescer_(surroundings_.options.udp_coalesce),
        udp_(context_, std::move(sockets.udp), surroundings_.options, server_, outbox_, counters_, coalescer_,
             [this] { flush(); }),
        streams_(context_, std::move(sockets.tcp), surroundings_, server_, outbox_, counters_, coalescer_,
                 [this] { flush(); }),
        peers_(context_, server_, outbox_, counters_, [this] { flush(); }),
        timer_(context_),
        work_(context_.get_executor()) {
    if (surroundings_.flows != nullptr) udp_.take_singly();
    if (!surroundings_.tls) return;
    dtls_.emplace(surroundings_, udp_, server_, outbox_, counters_);
    udp_.set_dtls(&*dtls_);
  }

  void start() {
    std::promise<void> started;
    thread_ = std::thread([&] {
      if (start_here(started)) run();
    });
    auto outcome = started.get_future();
    outcome.wait();
    try {
      outcome.get();
    } catch (...) {
      thread_.join();
      throw;
    }
  }

  void stop() {
    if (!thread_.joinable()) return;
    asio::post(context_, [this] {
      stopped_ = true;
      server_.shut_down(now(), outbox_);
      flush();
      peers_.stop();
      streams_.stop();
      if (dtls_) dtls_->stop();
      udp_.send_queued();
      udp_.stop();
      timer_.cancel();
      work_.reset();
    });
    thread_.join();
  }

  void deliver(turn::Letter letter, RelayPair relays) {
    asio::post(context_, [this, letter = std::move(letter), relays = std::move(relays)]() mutable {
      if (stopped_) return;  // and what came with it ends with the process
      receive(letter, relays);
    });
  }

  void revoke(turn::Revocation revocation) {
    asio::post(context_, [this, revocation = std::move(revocation)] {
      if (stopped_) return;  // all allocations have ended
      const auto& forgotten = server_.counters().revocations_forgotten[turn::index(revocation.cause)];
      const std::uint64_t before = forgotten;
      server_.revoke(now(), revocation, outbox_);
      flush();
      if (forgotten != before && surroundings_.revocation_forgotten)
        surroundings_.revocation_forgotten(revocation.cause);
    });
  }

  void use_credentials(std::shared_ptr<const auth::Credentials> credentials) {
    asio::post(context_, [this, credentials = std::move(credentials)]() mutable {
      server_.use_credentials(*credentials);
      credentials_ = std::move(credentials);
    });
  }

  void use_options(std::shared_ptr<const turn::Options> options) {
    asio::post(context_, [this, options = std::move(options)] {
      options_ = *options;
      server_.options_changed();
    });
  }

  void use_tls(std::shared_ptr<const TlsContext> tls) {
    asio::post(context_, [this, tls = std::move(tls)]() mutable { surroundings_.tls = std::move(tls); });
  }

  void with_server(std::function<void(turn::Server&, Now, turn::Outbox&)> what) {
    asio::post(context_, [this, what = std::move(what)] {
      if (stopped_) return;
      what(server_, now(), outbox_);
      flush();
    });
  }

  void credential_answered(std::uint64_t question, auth::HookAnswer answer) {
    asio::post(context_, [this, question, answer = std::move(answer)] {
      if (stopped_) return;
      server_.credential_answered(now(), question, answer, outbox_);
      flush();
    });
  }

  void snapshot(std::function<void(const ShardSnapshot&)> done) {
    asio::post(context_, [this, done = std::move(done)] {
      ShardSnapshot shard{server_.counters(), counters_};
      shard.turn.drops[turn::index(turn::Drop::QueueFull)] += streams_.dropped_datagrams();
      done(shard);
    });
  }

  void adopt_stream(MovedStream stream) {
    asio::post(context_, [this, stream = std::move(stream)]() mutable { streams_.adopt(std::move(stream)); });
  }

 private:
  static turn::Surroundings with_options(const turn::Surroundings& of, const turn::Options& options) {
    return {options,  of.credentials, of.nonces,  of.ledger,        of.random,
            of.shard, of.shard_count, of.tickets, of.access_tokens, of.hook};
  }

  /// On the shard's thread.
  bool start_here(std::promise<void>& started) {
    allow_slack(surroundings_.options.udp_coalesce);
    if (surroundings_.options.pin_threads) pin_to_core(surroundings_.index);
    try {
      udp_.start();
      streams_.start();
    } catch (...) {
      started.set_exception(std::current_exception());
      return false;
    }
    started.set_value();
    return true;
  }

  /// Turn after turn: what is ready, what that asks for, and a pause where it pays.
  void run() {
    while (!context_.stopped()) {
      const Duration paused = pause();
      if (paused == Duration::zero()) context_.run_one();
      // Datagrams alone gather in their engine: another look would only cost.
      if (paused > Duration::zero() || streams_.is_turn_open()) gather();
      // What ends while it is written to asks for more.
      while (streams_.is_turn_open()) streams_.end_turn();
      found_ = streams_.take_reads();
      if (found_ != 0) streams_read_ = now().mono;
      found_ += udp_.take_found();
      if (paused > Duration::zero()) counters_.nap_delays.add(paused, found_);
    }
  }

  /// Does what else is ready, as far as those who were read already can wait for it.
  void gather() {
    const TimePoint until = now().mono + kLongestGather;
    do {
      more_ready_ = context_.poll_one() != 0;
    } while (more_ready_ && now().mono < until);
  }

  /// While streams are read they and the datagrams gather together, and the engine of these does not pause by
  /// itself. How long it was, 0: there was none.
  Duration pause() {
    if (!streams_read_) return Duration::zero();
    const TimePoint began = now().mono;
    const bool streams_busy = began - *streams_read_ < kStreamsBusy;
    udp_.pause_alone(!streams_busy);
    if (!streams_busy) streams_read_.reset();
    const bool pauses = streams_busy && !std::exchange(more_ready_, false);
    const Duration wanted = pauses ? coalescer_.nap_after(began, found_) : Duration::zero();
    return wanted > Duration::zero() ? take_nap(wanted, counters_) : wanted;
  }

  void receive(turn::Letter& letter, RelayPair& relays) {
    const auto adopted = server_.receive(now(), letter, outbox_);
    for (std::size_t i = 0; adopted && i < relays.size(); ++i) {
      if (!relays[i]) continue;
      const turn::RelayId relay{*adopted, i == 0 ? IpFamily::V4 : IpFamily::V6};
      if (!udp_.attach(relay, std::move(relays[i])))
        server_.relay_failed(now(), relay, turn::RelayError::Broken, outbox_);
    }
    flush();
  }

  /// Puts what the core has written to other shards into their hands.
  void send_letters() {
    take_departing();  // those that the outcome of an open has written
    for (std::size_t i = 0; i < outbox_.letters.size(); ++i) {
      turn::Letter& letter = outbox_.letters[i];
      if (surroundings_.siblings == nullptr || letter.to >= surroundings_.siblings->size()) continue;
      auto& sibling = *(*surroundings_.siblings)[letter.to];
      sibling.deliver(std::move(letter), std::move(departing_[i]));
    }
    departing_.clear();
  }

  /// The relay sockets of allocations that leave with letters, before other ones get their slots.
  void take_departing() {
    for (std::size_t i = departing_.size(); i < outbox_.letters.size(); ++i) {
      const turn::Letter& letter = outbox_.letters[i];
      RelayPair& relays = departing_.emplace_back();
      if (!letter.allocation) continue;
      relays[0] = udp_.release({letter.departed, IpFamily::V4});
      relays[1] = udp_.release({letter.departed, IpFamily::V6});
    }
  }

  /// Does all that the Outbox asks for.
  void flush() {
    if (outbox_.empty()) {
      streams_.turn_ended();
      return arm_timer();
    }
    // What has ended may not be relayed any more when its port is given to somebody else.
    if (surroundings_.flows != nullptr && !outbox_.flows.empty()) hand_over_flows();
    for (const turn::ToPeer& transmit : outbox_.to_peers) udp_.queue(transmit);
    // What a relay was still given leaves before it closes; and it closes before another one opens, which may
    // want its port.
    if (!outbox_.close_relays.empty() || !outbox_.letters.empty()) udp_.send_queued();
    close_relays();
    take_departing();
    // The outcome of an open may ask for another one, or for the end of its own: an allocation that was gone
    // before its relay came, whose slot the next open may be for.
    while (!outbox_.open_relays.empty()) {
      opening_.swap(outbox_.open_relays);
      for (const turn::OpenRelay& command : opening_) {
        const auto error =
            command.protocol == turn::RelayProtocol::Tcp ? peers_.open(command) : udp_.open(command);
        if (error) {
          server_.relay_failed(now(), command.relay, *error, outbox_);
        } else {
          server_.relay_opened(now(), command.relay, outbox_);
        }
        close_relays();
      }
      opening_.clear();
    }
    // An attempt whose client has ended since is closed before it begins.
    for (const turn::ConnectPeer& command : outbox_.connect_peers) peers_.connect(command);
    for (const turn::CloseConnection& command : outbox_.close_connections) peers_.close(command.connection);
    for (const turn::ToClient& transmit : outbox_.to_clients) {
      if (StreamSet::is_stream(transmit.route)) {
        streams_.queue(transmit);
      } else {
        udp_.queue(transmit);
      }
    }
    udp_.send_queued();
    move_streams();
    if (surroundings_.on_allocation) {
      for (const turn::AllocationEvent& event : outbox_.events) surroundings_.on_allocation(event);
    }
    send_letters();
    if (surroundings_.ask_credential) {
      for (turn::AskCredential& ask : outbox_.asks) surroundings_.ask_credential(std::move(ask));
    }
    outbox_.clear();
    streams_.turn_ended();
    streams_.write_queued();
    arm_timer();
  }

  void hand_over_flows() {
    surroundings_.flows->apply(outbox_.flows);
    for (const turn::Flow& flow : outbox_.flows) {
      if (flow.ended) server_.flow_ended(flow, outbox_);
    }
  }

  void close_relays() {
    for (const turn::CloseRelay& command : outbox_.close_relays) {
      if (command.protocol == turn::RelayProtocol::Tcp) {
        peers_.close(command.relay);
      } else {
        udp_.close(command.relay);
      }
    }
    if (!outbox_.close_relays.empty()) udp_.settle();
    outbox_.close_relays.clear();
  }

  std::optional<TimePoint> next_deadline() const noexcept {
    const auto core = server_.next_deadline();
    const auto dtls = dtls_ ? dtls_->next_deadline() : std::nullopt;
    return core && dtls ? std::min(*core, *dtls) : core ? core : dtls;
  }

  /// Streams that become client data connections, and those that are for another shard; with what was queued
  /// for them.
  void move_streams() {
    for (const turn::BindData& command : outbox_.bind_data) {
      peers_.bind(command.connection, streams_.release(command.route));
    }
    for (const turn::HandOver& command : outbox_.hand_overs) {
      auto moved = streams_.release(command.route);
      if (moved && surroundings_.siblings != nullptr && command.shard < surroundings_.siblings->size()) {
        (*surroundings_.siblings)[command.shard]->adopt_stream(*std::move(moved));
      }
    }
  }

  void arm_timer() {
    if (stopped_) return;  // the queue holds deadlines of the dead
    const auto next = next_deadline();
    if (!next || (armed_for_ && *armed_for_ <= *next)) return;
    armed_for_ = *next;
    timer_.expires_at(std::chrono::steady_clock::time_point(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(next->time_since_epoch())));
    timer_.async_wait([this](const error_code& error) {
      if (error) return;
      armed_for_.reset();
      server_.tick(now(), outbox_);
      if (dtls_) dtls_->tick(now());
      flush();
      udp_.send_queued();
      arm_timer();
    });
  }

  ShardSurroundings surroundings_;
  turn::Options options_;                                 // this shard's own, which may change
  std::shared_ptr<const auth::Credentials> credentials_;  // that replaced those of the surroundings
  asio::io_context context_{1};
  turn::Outbox outbox_;
  Counters counters_;
  turn::Server server_;
  Coalescer coalescer_;
  std::optional<TimePoint> streams_read_;  // when last, if lately
  std::size_t found_ = 0;                  // in the last turn
  bool more_ready_ = false;                // when the last turn ended
  UdpEngine udp_;
  std::optional<DtlsSet> dtls_;  // without a certificate: none
  StreamSet streams_;
  PeerStreams peers_;
  asio::steady_timer timer_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  bool stopped_ = false;
  std::optional<TimePoint> armed_for_;
  std::vector<turn::OpenRelay> opening_;
  std::vector<RelayPair> departing_;  // with the letters of the same places
  std::thread thread_;
};

Shard::Shard(ShardSurroundings surroundings, ShardSockets sockets)
    : impl_(std::make_unique<Impl>(std::move(surroundings), std::move(sockets))) {}
Shard::~Shard() { stop(); }
void Shard::start() { impl_->start(); }
void Shard::stop() { impl_->stop(); }
void Shard::deliver(turn::Letter letter, std::array<Descriptor, 2> relays) {
  impl_->deliver(std::move(letter), std::move(relays));
}
void Shard::revoke(turn::Revocation revocation) { impl_->revoke(std::move(revocation)); }
void Shard::use_credentials(std::shared_ptr<const auth::Credentials> credentials) {
  impl_->use_credentials(std::move(credentials));
}
void Shard::use_options(std::shared_ptr<const turn::Options> options) {
  impl_->use_options(std::move(options));
}
void Shard::use_tls(std::shared_ptr<const TlsContext> tls) { impl_->use_tls(std::move(tls)); }
void Shard::with_server(std::function<void(turn::Server&, Now, turn::Outbox&)> what) {
  impl_->with_server(std::move(what));
}
void Shard::credential_answered(std::uint64_t question, auth::HookAnswer answer) {
  impl_->credential_answered(question, std::move(answer));
}
void Shard::snapshot(std::function<void(const ShardSnapshot&)> done) { impl_->snapshot(std::move(done)); }

void Shard::adopt_stream(MovedStream stream) { impl_->adopt_stream(std::move(stream)); }

}  // namespace ts::net
