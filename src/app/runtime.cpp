// SPDX-License-Identifier: Apache-2.0
// Composition. Threads: one a shard, and one for HTTP and signaling.
#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <turnstone/admin/health.hpp>
#include <turnstone/admin/stats.hpp>
#include <turnstone/app/logging.hpp>
#include <turnstone/app/runtime.hpp>
#include <turnstone/auth/access_token.hpp>
#include <turnstone/base/check.hpp>
#include <turnstone/config/load.hpp>
#include <turnstone/config/schema.hpp>
#include <turnstone/metrics/exposition.hpp>
#include <turnstone/net/clock.hpp>
#include <turnstone/net/credential_hook.hpp>
#include <turnstone/net/descriptors.hpp>
#include <turnstone/net/forwarder.hpp>
#include <turnstone/net/http_server.hpp>
#include <turnstone/net/shard.hpp>
#include <turnstone/net/stream_budget.hpp>
#include <turnstone/offload/offload.hpp>
#include <turnstone/signal/jwt.hpp>
#include <turnstone/signal/router.hpp>

#include "admin_server.hpp"
#include "backplane.hpp"
#include "credentials_watch.hpp"
#include "dialects.hpp"
#include "drain.hpp"
#include "file_watch.hpp"
#include "member_ice.hpp"
#include "process_stats.hpp"
#include "reload.hpp"
#include "room_reach.hpp"
#include "run_loop.hpp"
#include "runtime_log.hpp"
#include "signal_hook.hpp"
#include "signal_keys.hpp"
#include "start_problem.hpp"
#include "startup.hpp"
#include "turn_endpoint.hpp"
#include "webhooks.hpp"

namespace ts::app {
namespace {

constexpr std::chrono::milliseconds kGoodbye{2000};
constexpr std::chrono::seconds kScrapeLimit{2};
/// Shards are numbered, and counted, in one byte.
constexpr std::uint32_t kMaxShards = 255;

std::atomic<std::uint64_t> g_bugs{0};

void count_bug(const char* what, const char* file, int line) noexcept {
  ++g_bugs;
  log::error("bug", {{"what", what}, {"file", file}, {"line", line}});
}

}  // namespace

class Runtime::Impl {
 public:
  Impl(config::Config config, Reloader reloader, net::Listeners listeners,
       std::shared_ptr<const net::TlsContext> tls, std::unique_ptr<offload::Offload> offload,
       std::shared_ptr<const auth::JwtKeys> signal_keys)
      : config_(std::move(config)),
        now_(config_),
        reloader_(std::move(reloader)),
        tls_(std::move(tls)),
        offload_(std::move(offload)),
        ports_{listeners.port, listeners.tls_port, listeners.dtls_port, listeners.http_port, 0},
        warnings_(std::move(listeners.warnings)),
        nonces_(random_.bytes<32>(), config_.auth.nonce_lifetime),
        auth_(config_.auth),
        credentials_(config_.auth),
        access_tokens_(config_.auth),
        ledger_(config_.turn),
        stream_budget_(config_.net, random_),
        ice_(make_ice()),
        authenticator_(config_.signal, std::move(signal_keys)),
        router_(router_options(config_), random_, *ice_, &authenticator_),
        dialects_(config_, router_, random_),
        http_(http_context_, http_options(), http_handlers(), dialects_.native(),
              config_.signaling_enabled ? &router_ : nullptr),
        watch_(http_context_, now_, [this](auth::Options options) { took(std::move(options)); }),
        signal_keys_watch_(http_context_, config_.signal.jwt_key_files, [this] { read_signal_keys_anew(); }),
        certificate_watch_(http_context_, certificate_files(config_), [this] { read_certificate_anew(); }),
        hook_(make_hook()),
        signal_hook_(http_context_, router_, dialects_, random_),
        webhooks_(http_context_, random_),
        backplane_({http_context_, config_, router_, dialects_, random_,
                    [this](const turn::Revocation& revocation) { revoke_here(revocation); }}),
        forwarder_(backplane_.make_forwarder()),
        drain_(http_context_, drain_hands()),
        work_(http_context_.get_executor()) {
    dialects_.mount(http_);
    if (binds_turn()) router_.set_candidate_listener(&room_reach_);
    if (config_.signaling_enabled) need(signal_hook_.use(config_.signal.hook));
    need(webhooks_.use(config_.webhooks));
    router_.set_observer(&webhooks_);
    if (forwarder_) http_.pass_on(*forwarder_);
    if (config_.admin.is_enabled()) open_admin();
    for (net::ShardSockets& sockets : listeners.shards) {
      const std::size_t index = shards_.size();
      shards_.push_back(std::make_unique<net::Shard>(surroundings(index), std::move(sockets)));
    }
  }

  void start() {
    for (const auto& shard : shards_) shard->start();
    watch_.start();
    if (config_.signaling_enabled) signal_keys_watch_.start();
    if (tls_) certificate_watch_.start();
    if (admin_) admin_->start();
    backplane_.start();
    thread_ = std::thread([this] { run_loop(http_context_); });
  }

  void stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    asio::post(http_context_, [this] {
      drain_.stop();
      watch_.stop();
      signal_keys_watch_.stop();
      certificate_watch_.stop();
      if (admin_) admin_->stop();
      if (hook_) hook_->stop();
      signal_hook_.stop();
      backplane_.stop();
      if (forwarder_) forwarder_->stop();
      http_.close_all(signal::CloseCode::Drain, kGoodbye, [this] { work_.reset(); });
      webhooks_.finish();
    });
    for (const auto& shard : shards_) shard->stop();
    thread_.join();
  }

  void drain(std::function<void()> done) {
    asio::post(http_context_,
               [this, done = std::move(done)]() mutable { drain_.begin(now_.shutdown, std::move(done)); });
  }

  void reload(std::function<void(const ReloadReport&)> done) {
    asio::post(http_context_, [this, done = std::move(done)] { done(reload_now()); });
  }

  void revoke(turn::Revocation revocation) {
    asio::post(http_context_,
               [this, revocation = std::move(revocation)]() mutable { revoke_now(std::move(revocation)); });
  }

  void pulse(const std::function<void()>& alive) {
    const auto waits_for = std::make_shared<std::size_t>(shards_.size());
    for (const auto& shard : shards_) {
      shard->snapshot([this, waits_for, alive](const net::ShardSnapshot&) {
        asio::post(http_context_, [waits_for, alive] {
          if (--*waits_for == 0) alive();
        });
      });
    }
  }

  /// What is wrong with the limit of descriptors, once all listeners are there; empty: nothing.
  std::string share_descriptors(std::uint64_t limit) {
    const std::uint64_t open =
        net::open_descriptors() + net::kDescriptorsOfRunningShard * std::uint64_t{config_.net.threads};
    const auto streams = net::descriptors_for_streams(limit, open);
    if (!streams) return net::explain_descriptors(config_.net, limit, open);
    // Connections to other nodes are nobody's streams, and take descriptors all the same.
    const std::uint64_t ours = *streams - (forwarder_ ? forwarder_->cap(*streams / 4) : 0);
    stream_budget_.cap(ours);
    max_streams_ = std::min<std::uint64_t>(config_.net.max_streams, ours);
    return {};
  }

  const config::Config& config() const noexcept { return config_; }
  Ports ports() const noexcept { return ports_; }
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  net::ShardSurroundings surroundings(std::size_t index) {
    const auto shard = static_cast<std::uint8_t>(index);
    const auto shards = static_cast<std::uint8_t>(config_.net.threads);
    return net::ShardSurroundings{
        config_.net,
        turn::Surroundings{config_.turn, credentials_, nonces_, ledger_, random_, shard, shards, &tickets_,
                           &access_tokens_, &config_.auth.hook},
        stream_budget_,
        tls_,
        [this](net::DetachedStream stream) {
          asio::post(http_context_,
                     [this, stream = std::move(stream)]() mutable { http_.serve(std::move(stream)); });
        },
        [this](const turn::AllocationEvent& event) {
          log_allocation(event);
          if (event.ended) webhooks_.allocation_ended(event);
        },
        [this, index](turn::AskCredential ask) { put_to_hook(index, std::move(ask)); },
        forgotten_revocations_log(index),
        offload_.get(),
        &shards_,
        shard};
  }

  /// Throws what is wrong; empty: nothing.
  static void need(const std::string& problem) {
    if (!problem.empty()) throw StartProblem(problem);
  }

  /// Throws what is wrong with the options.
  std::unique_ptr<net::CredentialHook> make_hook() {
    if (!config_.auth.hook.is_enabled()) return nullptr;
    auto made = net::CredentialHook::make(http_context_, config_.auth.hook, [](const std::string& trouble) {
      log::warn("the credential hook gives no answer", {{"reason", trouble}});
    });
    if (!made) throw StartProblem(made.error());
    return std::move(*made);
  }

  /// Shards ask on their threads; the hook has one for all, so that no handshake holds up what is relayed.
  void put_to_hook(std::size_t shard, turn::AskCredential ask) {
    asio::post(http_context_, [this, shard, ask = std::move(ask)] {
      if (!hook_) return;
      const net::HookQuestion question{ask.username, ask.realm, ask.client};
      hook_->ask(question, [this, shard, number = ask.question](const auth::HookAnswer& answer) {
        shards_[shard]->credential_answered(number, answer);
      });
    });
  }

  /// On the HTTP thread, whose users and secrets say until when it counts. What it has come to.
  turn::Revocation revoke_now(turn::Revocation revocation) {
    revocation = turn::with_end(std::move(revocation), auth_, net::now().wall);
    revoke_here(revocation);
    backplane_.tell(revocation);
    return revocation;
  }

  void revoke_here(const turn::Revocation& revocation) {
    for (const auto& shard : shards_) shard->revoke(revocation);
  }

  /// Of the credentials' files, on the HTTP thread.
  void took(auth::Options options) {
    reloader_.took(options);
    use(std::move(options));
  }

  /// On the HTTP thread. Shards change over one after the other.
  void use(auth::Options options) {
    auth_ = now_.auth = std::move(options);
    const auto credentials = std::make_shared<const auth::Credentials>(auth_);
    for (const auto& shard : shards_) shard->use_credentials(credentials);
  }

  signal::MintIceCredential minter() {
    if (auth_.secrets.empty()) return {};
    return [this](const Now& now, std::string_view user) {
      if (auth_.secrets.empty()) return signal::IceCredential{};  // they have been taken away
      const auto ttl = auth_.credential_ttl;
      auth::Minted minted = auth::mint(auth_.secrets.front(), user, now.wall + ttl);
      return signal::IceCredential{std::move(minted.username), std::move(minted.password), ttl};
    };
  }

  bool binds_turn() const { return !auth_.secrets.empty() && config_.signal.bind_turn; }

  void tell_reach(turn::ReachChange change) {
    const auto shared = std::make_shared<const turn::ReachChange>(std::move(change));
    for (const auto& shard : shards_) {
      shard->with_server(
          [shared](turn::Server& server, Now now, turn::Outbox& out) { server.reach(now, *shared, out); });
    }
  }

  std::unique_ptr<signal::IceProvider> make_ice() {
    const std::vector<std::string>& urls = config_.signal.ice_urls;
    if (!binds_turn()) return std::make_unique<signal::UrlIceProvider>(urls, minter());
    auto out = std::make_unique<MemberIce>(
        urls, auth_.credential_ttl, random_,
        [this](std::string_view user, const auth::Policy& policy, WallTime expiry) {
          if (auth_.secrets.empty()) return std::optional<auth::Minted>();
          return auth::mint(auth_.secrets.front(), user, policy, expiry);
        },
        [this](const std::string& member, WallTime until, signal::LeaveReason why) {
          const bool removed = why == signal::LeaveReason::Kicked;
          revoke_now(
              turn::Revocation{turn::Revocation::Kind::Member, member, until, auth::kDefaultRealm,
                               removed ? turn::RevocationCause::Removal : turn::RevocationCause::Departure});
        });
    out->close([this] { return now_.signal.closed_relay; },
               [this](turn::ReachChange change) { tell_reach(std::move(change)); });
    return out;
  }

  Drain::Hands drain_hands() {
    Drain::Hands out;
    out.refuse = [this](bool on) {
      for (const auto& shard : shards_)
        shard->with_server([on](turn::Server& server, Now, turn::Outbox&) { server.drain(on); });
    };
    out.send_away = [this](const signal::Farewell& how) { http_.drain(how); };
    out.welcome = [this] { http_.undrain(); };
    out.disconnect = [this] { http_.close_sessions(signal::CloseCode::Restart); };
    out.count = [this](const std::function<void(Remaining)>& told) { count_remaining(told); };
    return out;
  }

  /// Of all shards; a shard that is about to end says nothing, and neither does this.
  void count_remaining(const std::function<void(Remaining)>& told) {
    struct Sum {
      Remaining remaining;
      std::size_t missing = 0;
    };
    const auto sum = std::make_shared<Sum>();
    sum->missing = shards_.size();
    for (const auto& shard : shards_) {
      shard->with_server([this, sum, told](turn::Server& server, Now, turn::Outbox&) {
        asio::post(http_context_, [this, sum, told, count = server.allocation_count()] {
          sum->remaining.allocations += count;
          if (--sum->missing != 0) return;
          sum->remaining.sessions = sessions();
          told(sum->remaining);
        });
      });
    }
  }

  /// Of signaling, of all dialects.
  std::uint64_t sessions() const { return http_.counters().websockets_open + dialects_.socketio_sessions(); }

  static std::vector<std::string> certificate_files(const config::Config& config) {
    if (config.net.tls_cert_file.empty()) return {};
    std::vector<std::string> out{config.net.tls_cert_file, config.net.tls_key_file};
    if (!config.net.tls_ticket_keys_file.empty()) out.push_back(config.net.tls_ticket_keys_file);
    return out;
  }

  /// On the HTTP thread, as all that follows here.
  void use(std::shared_ptr<const net::TlsContext> tls) {
    tls_ = std::move(tls);
    for (const auto& shard : shards_) shard->use_tls(tls_);
  }

  void read_certificate_anew() {
    auto made = net::TlsContext::from_files(now_.net.tls_cert_file, now_.net.tls_key_file,
                                            now_.net.tls_ticket_keys_file);
    if (!made)
      return log::error("certificate not reloaded, the former one stays", {{"problem", made.error()}});
    use(std::move(*made));
    log::info("certificate reloaded", {{"sha256", tls_->fingerprint()}});
  }

  ReloadReport reload_now() {
    ReloadReport report;
    try {
      watch_.mark();
      signal_keys_watch_.mark();
      certificate_watch_.mark();
      auto plan = stopping_ ? std::nullopt : reloader_.plan(now_, tls_.get(), random_, report);
      if (!plan && report.ok()) report.problems.emplace_back("the server is about to end");
      if (plan) put_to_use(*plan);
    } catch (const std::exception& error) {
      // Nothing that the operator could mend: memory. What is not done is a change to the next reload.
      report.problems.push_back(std::string("a part may be in use: ") + error.what());
    }
    log_reload(report);
    return report;
  }

  void put_to_use(const ReloadPlan& plan) {
    now_ = plan.effective;
    if (plan.touches("auth.")) use(now_.auth);
    if (plan.touches("relay.") || plan.touches("shutdown.") || plan.touches("auth.realms")) {
      ledger_.use(now_.turn);
      const auto options = std::make_shared<const turn::Options>(now_.turn);
      for (const auto& shard : shards_) shard->use_options(options);
    }
    if (plan.tls) use(plan.tls);
    authenticator_.use(now_.signal, plan.signal_keys);
    if (plan.touches("signaling.")) router_.use(router_options(now_));
    use_hooks();
    http_.set_access(now_.metrics.allow_from, now_.signal.allowed_origins);
    if (admin_) admin_->use(now_.admin);
    if (plan.touches("log.level")) log::set_level(now_.log.level);
    watch_.watch_anew();
    if (config_.signaling_enabled) signal_keys_watch_.watch(now_.signal.jwt_key_files);
    if (tls_) certificate_watch_.watch(certificate_files(now_));
    reloader_.done(plan);
  }

  /// A file of certificates that was good when it was checked may be gone: then what was stays.
  void use_hooks() {
    std::vector<std::string> problems{webhooks_.use(now_.webhooks)};
    if (config_.signaling_enabled) problems.push_back(signal_hook_.use(now_.signal.hook));
    for (const std::string& problem : problems) {
      if (!problem.empty()) log::error("not reloaded, what was stays", {{"problem", problem}});
    }
  }

  void open_admin() {
    AdminServer::World world{http_context_, shards_, router_, process_};
    world.tell_members = [this](const signal::Outbox& said) { dialects_.tell(said); };
    world.revoke = [this](turn::Revocation revocation) { return revoke_now(std::move(revocation)); };
    world.drain = [this](bool on) {
      if (!on) return drain_.cancel();
      drain_.begin(now_.shutdown, nullptr);
      return drain_.is_on();
    };
    world.is_draining = [this] { return drain_.is_on(); };
    world.reload = [this] { return reload_now(); };
    world.config = [this] { return config::print(now_); };
    world.sessions = [this] { return sessions(); };
    world.snapshot = [this](const auto& told) { gather(told); };
    world.facts = [this] { return limits(); };
    admin_ = std::make_unique<AdminServer>(std::move(world), config_.admin);
    ports_.admin = admin_->local().port;
    // Before the shards are made: no client may have it for a peer.
    config_.turn.peers.own_endpoints.push_back(Endpoint{config_.admin.bind, ports_.admin});
    now_.turn.peers = config_.turn.peers;
  }

  admin::Facts limits() const {
    admin::Facts out;
    out.max_allocations = now_.turn.max_allocations;
    out.max_allocations_per_user = now_.turn.max_allocations_per_user;
    out.max_streams = max_streams_;
    out.max_bits_per_second = now_.turn.max_bits_per_second;
    return out;
  }

  /// On the HTTP thread.
  void read_signal_keys_anew() {
    auto keys = read_signal_keys(now_.signal);
    if (!keys) return log::error("keys not reloaded, the former ones stay", {{"problem", keys.error()}});
    log::info("keys reloaded", {{"keys", (*keys)->size()}});
    authenticator_.use(std::move(*keys));
  }

  net::HttpOptions http_options() const {
    net::HttpOptions out;
    out.metrics_allow_from = config_.metrics.allow_from;
    out.public_connections = config_.socketio.public_connections;
    return out;
  }

  net::HttpHandlers http_handlers() {
    net::HttpHandlers out;
    out.health = [](const net::HttpRequest&) -> asio::awaitable<net::HttpResponse> {
      co_return to_http(admin::health());
    };
    out.ready = [this](const net::HttpRequest&) -> asio::awaitable<net::HttpResponse> {
      admin::State state;
      state.listening = true;
      state.draining = stopping_ || drain_.is_on();
      state.allocations = drain_.remaining().allocations;
      state.backplane = backplane_.state();
      co_return to_http(admin::ready(state));
    };
    if (config_.metrics.enabled) {
      out.metrics = [this](const net::HttpRequest&) -> asio::awaitable<net::HttpResponse> {
        return scrape();
      };
    }
    if (dialects_.serves_socketio()) {
      out.connections = [this](std::string_view room) { return dialects_.connections(room); };
    }
    if (!config_.auth.secrets.empty()) {
      out.mint = [this](const net::TurnQuestion& question) {
        const TurnEndpoint endpoint(now_.signal, router_, config_.signal.bind_turn);
        return endpoint.answer(net::now(), question, minter());
      };
    }
    return out;
  }

  static net::HttpResponse to_http(admin::Response response) {
    return net::HttpResponse(static_cast<unsigned>(response.status), std::move(response.content_type),
                             std::move(response.body));
  }

  /// Asks every shard for its counters, and tells their sum on the HTTP thread when all have come; a shard
  /// that hangs, or is about to end, says nothing, and neither does this.
  void gather(const std::function<void(const metrics::Snapshot&)>& told) {
    struct Sum {
      metrics::Snapshot snapshot;
      std::size_t missing = 0;
    };
    const auto sum = std::make_shared<Sum>();
    sum->missing = shards_.size();
    sum->snapshot.shard_allocations.resize(shards_.size());
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      shards_[i]->snapshot([this, sum, told, i](const net::ShardSnapshot& shard) {
        asio::post(http_context_, [this, sum, told, i, shard] {
          sum->snapshot.turn += shard.turn;
          sum->snapshot.net += shard.net;
          for (const std::uint64_t count : shard.turn.allocations)
            sum->snapshot.shard_allocations[i] += count;
          if (--sum->missing != 0) return;
          complete(sum->snapshot);
          told(sum->snapshot);
        });
      });
    }
  }

  asio::awaitable<net::HttpResponse> scrape() {
    struct Gathered {
      explicit Gathered(asio::io_context& context) : here(context, kScrapeLimit) {}
      std::optional<metrics::Snapshot> snapshot;
      asio::steady_timer here;
    };
    const auto gathered = std::make_shared<Gathered>(http_context_);
    gather([gathered](const metrics::Snapshot& snapshot) {
      gathered->snapshot = snapshot;
      gathered->here.cancel();
    });
    const auto token = asio::as_tuple(asio::use_awaitable);
    co_await gathered->here.async_wait(token);
    if (!gathered->snapshot) {
      co_return net::HttpResponse(503, "text/plain", "a shard did not answer in time\n");
    }
    gathered->snapshot->process = process_.now();
    co_return net::HttpResponse(200, std::string(metrics::kContentType),
                                metrics::expose(*gathered->snapshot));
  }

  /// Adds what is not the shards', but for what the system says of the process: that takes a while.
  void complete(metrics::Snapshot& snapshot) {
    const turn::Ledger::Ports ports = ledger_.ports();
    snapshot.turn.ports_used = ports.used;
    snapshot.turn.ports_free = ports.free;
    const net::HttpCounters http = http_.counters();
    for (const auto& [kind, tls] :
         {std::pair(net::StreamKind::Http, 0U), std::pair(net::StreamKind::Https, 1U)}) {
      snapshot.net.streams_open[static_cast<std::size_t>(kind)] += http.streams_open[tls];
    }
    if (offload_) add_offloaded(snapshot);
    snapshot.signal = router_.counters();
    snapshot.hello_hook = router_.doorman().counters();
    snapshot.webhooks = webhooks_.counters();
    dialects_.count(snapshot);
    backplane_.count(snapshot);
    if (forwarder_) snapshot.forwards = forwarder_->counters();
    snapshot.bugs = g_bugs;
    snapshot.draining = stopping_ || drain_.is_on();
    if (tls_)
      snapshot.certificate_expiry_seconds = static_cast<double>(tls_->expires().time_since_epoch().count());
    snapshot.build = metrics::build_info();
  }

  /// What the kernel relays is relayed for UDP clients, and counts like the rest.
  void add_offloaded(metrics::Snapshot& snapshot) const {
    const offload::Counters counted = offload_->counters();
    const std::size_t udp = turn::index(turn::Transport::Udp);
    snapshot.turn.to_peer[udp] += turn::Traffic{counted.to_peer_packets, counted.to_peer_bytes};
    snapshot.turn.to_client[udp] += turn::Traffic{counted.to_client_packets, counted.to_client_bytes};
    snapshot.offload = counted;
  }

  config::Config config_;  // that the server began with; changes no more once the shards are made
  config::Config now_;     // that is in effect; of the HTTP thread
  Reloader reloader_;
  std::shared_ptr<const net::TlsContext> tls_;  // of the HTTP thread, once the shards are made
  std::unique_ptr<offload::Offload> offload_;   // null: the sockets relay everything
  Ports ports_;
  std::vector<std::string> warnings_;
  net::SystemRandom random_;
  SivKey tickets_{random_.bytes<SivKey::kKeyBytes>()};
  auth::NonceMaker nonces_;
  auth::Options auth_;  // of the HTTP thread; config_ has what there was at the start
  auth::Credentials credentials_;
  auth::AccessTokens access_tokens_;
  net::SharedLedger ledger_;
  net::StreamBudget stream_budget_;  // outlives every stream
  std::uint64_t max_streams_ = 0;    // that there may be, for want of descriptors too
  RoomReach room_reach_{[this](turn::ReachChange change) { tell_reach(std::move(change)); }};
  std::unique_ptr<signal::IceProvider> ice_;
  signal::JwtAuthenticator authenticator_;
  signal::Router router_;
  Dialects dialects_;
  asio::io_context http_context_{1};
  net::HttpServer http_;
  CredentialsWatch watch_;
  FileWatch signal_keys_watch_;
  FileWatch certificate_watch_;
  std::unique_ptr<net::CredentialHook> hook_;  // null: there is none
  SignalHook signal_hook_;
  Webhooks webhooks_;
  Backplane backplane_;
  std::unique_ptr<net::Forwarder> forwarder_;  // null: nothing is passed on to other nodes
  ProcessFigures process_;
  Drain drain_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::atomic<bool> stopping_{false};
  std::vector<std::unique_ptr<net::Shard>> shards_;
  std::unique_ptr<AdminServer> admin_;  // null: it is off
  std::thread thread_;
};

Runtime::Runtime(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Runtime::~Runtime() { stop(); }
void Runtime::start() { impl_->start(); }
void Runtime::stop() { impl_->stop(); }
void Runtime::drain(std::function<void()> done) { impl_->drain(std::move(done)); }
void Runtime::reload(std::function<void(const ReloadReport&)> done) { impl_->reload(std::move(done)); }
void Runtime::revoke(turn::Revocation revocation) { impl_->revoke(std::move(revocation)); }
void Runtime::pulse(const std::function<void()>& alive) { impl_->pulse(alive); }
Runtime::Ports Runtime::ports() const noexcept { return impl_->ports(); }
const config::Config& Runtime::config() const noexcept { return impl_->config(); }
const std::vector<std::string>& Runtime::ice_urls() const noexcept { return impl_->config().signal.ice_urls; }
const std::vector<std::string>& Runtime::warnings() const noexcept { return impl_->warnings(); }

Runtime::Made Runtime::make(config::Config config, LoadConfig load, const config::Config* loaded) {
  Made out;
  Reloader reloader(loaded != nullptr ? *loaded : config, std::move(load));
  set_bug_handler(count_bug);
  net::SystemRandom random;
  config::apply_dev_defaults(config, random);
  // Nobody could be let in; a TURN server alone is a fair thing to want.
  if (!config.signal.lets_anybody_in()) config.signaling_enabled = false;
  auto signal_keys = read_signal_keys(config.signal);
  if (!signal_keys && config.signaling_enabled) out.problems.push_back(signal_keys.error());
  const std::vector<IpAddress> host = net::host_addresses();
  for (const config::Problem& problem : config::fill_relay_addresses(config, host)) {
    out.problems.push_back(problem.to_string());
  }

  for (const std::string& text : config.auth.oauth_keys) {
    const auto key = auth::parse_oauth_key(text);
    if (!key) out.problems.push_back("auth.oauth_keys: " + key.error());
  }

  const bool wanted = config.offload.mode == offload::Mode::Tc || config.offload.mode == offload::Mode::Xdp;
  const bool offload_missing = wanted && !offload::is_built_in();
  if (offload_missing) {
    out.problems.emplace_back(
        "relay.offload: this server was built without libbpf or clang; install libbpf-dev and clang and "
        "build "
        "again, or write auto or off");
  }

  std::shared_ptr<const net::TlsContext> tls;
  if (!config.net.tls_cert_file.empty() || config.net.tls_self_signed) {
    auto context = config.net.tls_cert_file.empty()
                       ? net::TlsContext::self_signed({"localhost"}, host)
                       : net::TlsContext::from_files(config.net.tls_cert_file, config.net.tls_key_file,
                                                     config.net.tls_ticket_keys_file);
    if (context) {
      tls = *context;
    } else {
      out.problems.push_back(context.error());
    }
  }

  const std::uint64_t descriptors = net::raise_descriptor_limit();
  if (config.net.threads == 0) {
    config.net.threads = net::shards_that_fit(config.net, descriptors, std::thread::hardware_concurrency());
  }
  config.net.threads = std::min(config.net.threads, kMaxShards);
  net::Listeners listeners = net::open_listeners(config.net, config.net.threads, tls != nullptr);
  out.problems.insert(out.problems.end(), listeners.problems.begin(), listeners.problems.end());
  if (!out.problems.empty()) return out;

  std::unique_ptr<offload::Offload> offload = settle(config, listeners, host);
  try {
    auto impl =
        std::make_unique<Impl>(std::move(config), std::move(reloader), std::move(listeners), std::move(tls),
                               std::move(offload), signal_keys ? std::move(*signal_keys) : nullptr);
    std::string problem = impl->share_descriptors(descriptors);
    if (problem.empty()) {
      out.runtime.reset(new Runtime(std::move(impl)));
    } else {
      out.problems.push_back(std::move(problem));
    }
  } catch (const StartProblem& problem) {
    out.problems.emplace_back(problem.what());
  } catch (const std::exception& error) {  // Boost's system_error is not the standard's
    out.problems.push_back(std::string("the system gives no descriptors or memory: ") + error.what() +
                           "; raise the limits (ulimit -n) or lower listen.threads");
  }
  return out;
}

}  // namespace ts::app
