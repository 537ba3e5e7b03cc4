// SPDX-License-Identifier: Apache-2.0
// Composition. Threads: one a shard, and one for HTTP and signaling.
#include <algorithm>
#include <atomic>
#include <exception>
#include <stdexcept>
#include <thread>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <turnstone/admin/health.hpp>
#include <turnstone/app/logging.hpp>
#include <turnstone/app/runtime.hpp>
#include <turnstone/auth/access_token.hpp>
#include <turnstone/base/check.hpp>
#include <turnstone/config/load.hpp>
#include <turnstone/dialect/native.hpp>
#include <turnstone/dialect/peerjs.hpp>
#include <turnstone/dialect/sio_app.hpp>
#include <turnstone/metrics/exposition.hpp>
#include <turnstone/metrics/labels.hpp>
#include <turnstone/net/clock.hpp>
#include <turnstone/net/credential_hook.hpp>
#include <turnstone/net/descriptors.hpp>
#include <turnstone/net/http_server.hpp>
#include <turnstone/net/shard.hpp>
#include <turnstone/net/stream_budget.hpp>
#include <turnstone/net/udp_choice.hpp>
#include <turnstone/offload/offload.hpp>
#include <turnstone/signal/jwt.hpp>
#include <turnstone/signal/router.hpp>

#include "backplane.hpp"
#include "cluster_orders.hpp"
#include "credentials_watch.hpp"
#include "file_watch.hpp"
#include "member_ice.hpp"
#include "signal_keys.hpp"
#include "turn_endpoint.hpp"

namespace ts::app {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds kGoodbye{2000};
constexpr std::chrono::seconds kScrapeLimit{2};
/// The Router's numbers for connections that speak Socket.IO and PeerJS; the native protocol's is 0.
constexpr signal::DialectId kSocketIoDialect = 1;
constexpr signal::DialectId kPeerJsDialect = 2;
/// How often the log tells of it while revocations are too many.
constexpr std::chrono::minutes kForgottenLogPeriod{1};
/// Shards are numbered, and counted, in one byte.
constexpr std::uint32_t kMaxShards = 255;

std::atomic<std::uint64_t> g_bugs{0};

void count_bug(const char* what, const char* file, int line) noexcept {
  ++g_bugs;
  log::error("bug", {{"what", what}, {"file", file}, {"line", line}});
}

void log_allocation(const turn::AllocationEvent& event) {
  if (!event.ended) {
    log::info("allocation started", {{"user", event.username},
                                     {"realm", event.realm},
                                     {"client", event.tuple.client.to_string()},
                                     {"transport", metrics::label(event.tuple.transport)},
                                     {"relayed", event.relayed.to_string()}});
    return;
  }
  log::info("allocation ended", {{"user", event.username},
                                 {"realm", event.realm},
                                 {"client", event.tuple.client.to_string()},
                                 {"transport", metrics::label(event.tuple.transport)},
                                 {"relayed", event.relayed.to_string()},
                                 {"reason", metrics::label(event.reason)},
                                 {"seconds", std::chrono::duration<double>(event.age).count()},
                                 {"to_peer_bytes", event.to_peer.bytes},
                                 {"to_peer_packets", event.to_peer.packets},
                                 {"to_client_bytes", event.to_client.bytes},
                                 {"to_client_packets", event.to_client.packets}});
}

std::string url_host(const IpAddress& address) {
  return address.is_v6() ? '[' + address.to_string() + ']' : address.to_string();
}

void choose_engine(config::Config& config, std::vector<std::string>& warnings) {
  const net::UdpEngineKind wanted = config.net.udp_engine;
  std::string why;
  config.net.udp_engine = net::choose_udp_engine(wanted, why);
  if (why.empty()) return;
  if (wanted == net::UdpEngineKind::IoUring) {
    warnings.push_back(
        "relay.engine is io_uring, which the kernel refuses (" + why +
        "), so epoll moves the datagrams; allow io_uring to this process (Linux 6.1, "
        "kernel.io_uring_disabled, the container's seccomp profile) or set relay.engine to auto");
  } else {
    log::info("epoll moves the datagrams, since the kernel refuses io_uring", {{"reason", why}});
  }
}

/// What an operator should know about, though it is allowed.
std::vector<std::string> cautions(const config::Config& config) {
  std::vector<std::string> out;
  if (!config.signaling_enabled)
    out.emplace_back(
        "signaling is off: there is no signaling.token, and no key of tokens, to let anybody in");
  if (config.dev) return out;
  for (const turn::RelayAddress& relay : config.turn.relay_addresses) {
    if (!relay.advertised.is_loopback()) continue;
    out.push_back("relay address " + relay.advertised.to_string() +
                  " is reached from this host alone; set relay.addresses to the public one");
  }
  for (const IpNetwork& network : config.turn.peers.allow) {
    if (network.prefix_bits != 0) continue;
    out.push_back("relay.allow_peers has " + network.to_string() +
                  ": clients may reach loopback, private and cloud metadata addresses; name the networks "
                  "that you mean");
  }
  return out;
}

/// The URLs of this server, as far as clients can use them out of the box.
std::vector<std::string> own_urls(const config::Config& config, const net::Listeners& listeners) {
  std::vector<std::string> out;
  for (const turn::RelayAddress& relay : config.turn.relay_addresses) {
    const std::string at = url_host(relay.advertised) + ':' + std::to_string(listeners.port);
    if (config.net.udp) out.push_back("stun:" + at);
    if (!config.turn.enabled) continue;
    if (config.net.udp) out.push_back("turn:" + at + "?transport=udp");
    if (config.net.tcp) out.push_back("turn:" + at + "?transport=tcp");
    // A browser takes no self-signed certificate for turns:, and would only lose time on it.
    if (listeners.tls_port != 0 && !config.net.tls_self_signed) {
      out.push_back("turns:" + url_host(relay.advertised) + ':' + std::to_string(listeners.tls_port) +
                    "?transport=tcp");
    }
    if (listeners.dtls_port != 0 && !config.net.tls_self_signed) {
      out.push_back("turns:" + url_host(relay.advertised) + ':' + std::to_string(listeners.dtls_port) +
                    "?transport=udp");
    }
  }
  return out;
}

std::vector<Endpoint> own_endpoints(const net::Listeners& listeners,
                                    const std::vector<IpAddress>& alt_addresses) {
  std::vector<Endpoint> out;
  for (const IpAddress& address : listeners.addresses) {
    for (const std::uint16_t port :
         {listeners.port, listeners.tls_port, listeners.dtls_port, listeners.http_port}) {
      if (port != 0) out.push_back(Endpoint{address, port});
    }
  }
  if (listeners.alt_port == 0) return out;
  for (const IpAddress& address : listeners.addresses) out.push_back(Endpoint{address, listeners.alt_port});
  for (const IpAddress& address : alt_addresses) {
    out.push_back(Endpoint{address, listeners.port});
    out.push_back(Endpoint{address, listeners.alt_port});
  }
  return out;
}

/// The kernel's relay, where it is wanted and can be had; why not is a warning, since the sockets do it all.
std::unique_ptr<offload::Offload> start_offload(const config::Config& config, net::Listeners& listeners) {
  if (config.offload.mode == offload::Mode::Off || !config.turn.enabled || !config.net.udp) return nullptr;
  auto made = offload::Offload::make(config.offload);
  std::string problem = made ? "" : made.error();
  if (made) {
    const auto devices = (*made)->attach(listeners.warnings);
    if (devices) {
      std::string names;
      for (const std::string& name : *devices) names += (names.empty() ? "" : ", ") + name;
      log::info("bound channels are relayed in the kernel", {{"devices", names}});
      return std::move(*made);
    }
    problem = devices.error();
  }
  listeners.warnings.push_back("relay.offload: " + problem + "; everything is relayed by the sockets");
  return nullptr;
}

/// What is wrong with the options of the credential hook, or of the backplane.
struct OptionsProblem : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace

class Runtime::Impl {
 public:
  Impl(config::Config config, net::Listeners listeners, std::shared_ptr<const net::TlsContext> tls,
       std::unique_ptr<offload::Offload> offload, std::shared_ptr<const auth::JwtKeys> signal_keys)
      : config_(std::move(config)),
        tls_(std::move(tls)),
        offload_(std::move(offload)),
        ports_{listeners.port, listeners.tls_port, listeners.dtls_port, listeners.http_port},
        warnings_(std::move(listeners.warnings)),
        nonces_(random_.bytes<32>(), config_.auth.nonce_lifetime),
        auth_(config_.auth),
        credentials_(config_.auth),
        access_tokens_(config_.auth),
        ledger_(config_.turn),
        stream_budget_(config_.net, random_),
        ice_(make_ice()),
        authenticator_(config_.signal, std::move(signal_keys)),
        router_(router_options(), random_, *ice_, &authenticator_),
        native_(router_),
        socketio_(socketio_options(), random_),
        signal_app_(socketio_options(), router_, socketio_, kSocketIoDialect),
        peerjs_(config_.peerjs, router_, random_, kPeerJsDialect),
        http_(http_context_, http_options(), http_handlers(), config_.signaling_enabled ? &native_ : nullptr,
              config_.signaling_enabled ? &router_ : nullptr),
        watch_(http_context_, config_, [this](auth::Options options) { use(std::move(options)); }),
        signal_keys_watch_(http_context_, config_.signal.jwt_key_files, [this] { read_signal_keys_anew(); }),
        hook_(make_hook()),
        backplane_(make_backplane()),
        work_(http_context_.get_executor()) {
    if (config_.signaling_enabled) introduce_dialects();
    if (serves_socketio()) mount_socketio();
    if (serves_peerjs()) http_.mount(net::PeerJsMount{config_.peerjs.path, &peerjs_});
    for (net::ShardSockets& sockets : listeners.shards) {
      const std::size_t index = shards_.size();
      shards_.push_back(std::make_unique<net::Shard>(surroundings(index), std::move(sockets)));
    }
  }

  void start() {
    for (const auto& shard : shards_) shard->start();
    watch_.start();
    if (config_.signaling_enabled) signal_keys_watch_.start();
    if (backplane_) backplane_->start();
    thread_ = std::thread([this] { http_context_.run(); });
  }

  void stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    asio::post(http_context_, [this] {
      watch_.stop();
      signal_keys_watch_.stop();
      if (hook_) hook_->stop();
      if (backplane_) backplane_->stop();
      http_.close_all(signal::CloseCode::Drain, kGoodbye, [this] { work_.reset(); });
    });
    for (const auto& shard : shards_) shard->stop();
    thread_.join();
  }

  void revoke(turn::Revocation revocation) {
    revocation = turn::with_end(std::move(revocation), config_.auth, net::now().wall);
    revoke_here(revocation);
    if (!backplane_) return;
    asio::post(http_context_, [this, revocation] {
      backplane_->order(order_of(revocation), revocation.until, static_cast<std::size_t>(revocation.cause));
    });
  }

  void pulse(std::function<void()> alive) {
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
    stream_budget_.cap(*streams);
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
        log_allocation,
        [this, index](turn::AskCredential ask) { put_to_hook(index, std::move(ask)); },
        forgotten_revocations_log(index),
        offload_.get(),
        &shards_,
        shard};
  }

  void revoke_here(const turn::Revocation& revocation) {
    for (const auto& shard : shards_) shard->revoke(revocation);
  }

  /// Null where this is the only node. Throws what is wrong with the options.
  std::unique_ptr<Backplane> make_backplane() {
    if (!config_.signaling_enabled || config_.signal.cluster.backplane == signal::Backplane::Memory)
      return nullptr;
    const auto say = [this](const Now& now, const signal::Outbox& said) {
      http_.deliver(said);
      peerjs_.deliver(now, said);
      signal_app_.deliver(now, said);
    };
    const auto obey = [this](std::string_view order) {
      if (const auto revocation = revocation_of(order)) revoke_here(*revocation);
    };
    auto made = Backplane::make(
        {http_context_, config_.signal, router_, random_, say, [this] { http_.settle(); }, obey});
    if (!made) throw OptionsProblem(made.error());
    return std::move(*made);
  }

  /// Throws what is wrong with the options.
  std::unique_ptr<net::CredentialHook> make_hook() {
    if (!config_.auth.hook.is_enabled()) return nullptr;
    auto made = net::CredentialHook::make(http_context_, config_.auth.hook, [](const std::string& trouble) {
      log::warn("the credential hook gives no answer", {{"reason", trouble}});
    });
    if (!made) throw OptionsProblem(made.error());
    return std::move(*made);
  }

  /// Every shard has the same revocations: the first one speaks for all, and once a minute.
  static std::function<void(turn::RevocationCause)> forgotten_revocations_log(std::size_t shard) {
    if (shard != 0) return {};
    return [last = std::optional<TimePoint>()](turn::RevocationCause cause) mutable {
      const TimePoint now = net::now().mono;
      if (last && now < *last + kForgottenLogPeriod) return;
      last = now;
      log::warn(
          "too many revocations: older ones are forgotten, and their credentials good until they expire",
          {{"cause", metrics::label(cause)}});
    };
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

  bool serves_socketio() const noexcept { return config_.signaling_enabled && config_.socketio.enabled; }

  bool serves_peerjs() const noexcept { return config_.signaling_enabled && config_.peerjs.enabled; }

  signal::Options router_options() const {
    signal::Options out = config_.signal;
    if (serves_peerjs()) out.common_rooms.push_back({config_.peerjs.room, config_.peerjs.max_members});
    if (serves_socketio())
      out.common_rooms.push_back({config_.socketio.default_room, config_.socketio.max_default_room_members});
    return out;
  }

  /// Members of all dialects meet in the Router's rooms: what a call of one says to others is theirs to say.
  void introduce_dialects() {
    // SioApp may call the Router, which ends the life of what `said` shows: it comes last.
    native_.set_others([this](const signal::Outbox& said) {
      if (backplane_) backplane_->deliver(said);
      peerjs_.deliver(net::now(), said);
      signal_app_.deliver(net::now(), said);
    });
    signal_app_.set_others([this](const Now& now, const signal::Outbox& said) {
      if (backplane_) backplane_->deliver(said);
      http_.deliver(said);
      peerjs_.deliver(now, said);
    });
    peerjs_.set_others([this](const Now& now, const signal::Outbox& said) {
      if (backplane_) backplane_->deliver(said);
      http_.deliver(said);
      signal_app_.deliver(now, said);
    });
  }

  dialect::SocketIoOptions socketio_options() const {
    dialect::SocketIoOptions out = config_.socketio;
    out.max_sessions = config_.signal.max_connections;
    return out;
  }

  /// Socket.IO on the HTTP port.
  void mount_socketio() {
    net::EngineMount mount;
    mount.path = config_.socketio.path;
    mount.engine = &socketio_.engine();
    mount.allowed_origins = config_.signal.allowed_origins;
    mount.any_origin = config_.signal.open;
    mount.credentials = config_.socketio.credentials;
    mount.next_deadline = [this]() -> std::optional<TimePoint> {
      const auto machine = socketio_.next_deadline();
      const auto app = signal_app_.next_deadline();
      return machine && app ? std::min(*machine, *app) : machine ? machine : app;
    };
    mount.tick = [this](const Now& now) {
      socketio_.tick(now);
      signal_app_.tick(now);
    };
    http_.mount(std::move(mount));
  }

  /// On the HTTP thread. Shards change over one after the other.
  void use(auth::Options options) {
    auth_ = std::move(options);
    const auto credentials = std::make_shared<const auth::Credentials>(auth_);
    for (const auto& shard : shards_) shard->use_credentials(credentials);
  }

  signal::MintIceCredential minter() {
    if (auth_.secrets.empty()) return {};
    return [this](const Now& now, std::string_view user) {
      const auto ttl = auth_.credential_ttl;
      auth::Minted minted = auth::mint(auth_.secrets.front(), user, now.wall + ttl);
      return signal::IceCredential{std::move(minted.username), std::move(minted.password), ttl};
    };
  }

  std::unique_ptr<signal::IceProvider> make_ice() {
    const std::vector<std::string>& urls = config_.signal.ice_urls;
    if (auth_.secrets.empty() || !config_.signal.bind_turn)
      return std::make_unique<signal::UrlIceProvider>(urls, minter());
    return std::make_unique<MemberIce>(
        urls, auth_.credential_ttl, random_,
        [this](std::string_view user, const auth::Policy& policy, WallTime expiry) {
          if (auth_.secrets.empty()) return std::optional<auth::Minted>();
          return auth::mint(auth_.secrets.front(), user, policy, expiry);
        },
        [this](const std::string& member, WallTime until, signal::LeaveReason why) {
          const bool removed = why == signal::LeaveReason::Kicked;
          revoke(
              turn::Revocation{turn::Revocation::Kind::Member, member, until, auth::kDefaultRealm,
                               removed ? turn::RevocationCause::Removal : turn::RevocationCause::Departure});
        });
  }

  /// On the HTTP thread.
  void read_signal_keys_anew() {
    auto keys = read_signal_keys(config_.signal);
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
      state.draining = stopping_;
      if (backplane_) state.backplane = backplane_->is_whole() ? "up" : "degraded";
      co_return to_http(admin::ready(state));
    };
    if (config_.metrics.enabled) {
      out.metrics = [this](const net::HttpRequest&) -> asio::awaitable<net::HttpResponse> {
        return scrape();
      };
    }
    if (serves_socketio()) {
      out.connections = [this](std::string_view room) { return signal_app_.connections(room); };
    }
    if (!config_.auth.secrets.empty()) {
      out.mint = [this](const net::TurnQuestion& question) {
        const TurnEndpoint endpoint(config_.signal, router_, config_.signal.bind_turn);
        return endpoint.answer(net::now(), question, minter());
      };
    }
    return out;
  }

  static net::HttpResponse to_http(admin::Response response) {
    return net::HttpResponse(static_cast<unsigned>(response.status), std::move(response.content_type),
                             std::move(response.body));
  }

  /// Asks every shard for its counters and answers when all have come.
  asio::awaitable<net::HttpResponse> scrape() {
    struct Gather {
      explicit Gather(asio::io_context& context) : all_here(context, kScrapeLimit) {}
      metrics::Snapshot snapshot;
      std::size_t missing = 0;
      asio::steady_timer all_here;
    };
    const auto gather = std::make_shared<Gather>(http_context_);
    gather->missing = shards_.size();
    gather->snapshot.shard_allocations.resize(shards_.size());
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      shards_[i]->snapshot([this, gather, i](const net::ShardSnapshot& shard) {
        asio::post(http_context_, [gather, i, shard] {
          gather->snapshot.turn += shard.turn;
          gather->snapshot.net += shard.net;
          for (const std::uint64_t count : shard.turn.allocations)
            gather->snapshot.shard_allocations[i] += count;
          if (--gather->missing == 0) gather->all_here.cancel();
        });
      });
    }
    const auto token = asio::as_tuple(asio::use_awaitable);
    co_await gather->all_here.async_wait(token);
    if (gather->missing != 0) {
      co_return net::HttpResponse(503, "text/plain", "a shard did not answer in time\n");
    }
    complete(gather->snapshot);
    co_return net::HttpResponse(200, std::string(metrics::kContentType), metrics::expose(gather->snapshot));
  }

  /// Adds what is not the shards'.
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
    snapshot.socketio = socketio_.counters();
    snapshot.peerjs = peerjs_.counters();
    if (backplane_) snapshot.cluster = backplane_->counters();
    snapshot.bugs = g_bugs;
    snapshot.draining = stopping_;
    if (tls_)
      snapshot.certificate_expiry_seconds = static_cast<double>(tls_->expires().time_since_epoch().count());
    snapshot.build = metrics::build_info();
    snapshot.process = metrics::read_process_stats();
  }

  /// What the kernel relays is relayed for UDP clients, and counts like the rest.
  void add_offloaded(metrics::Snapshot& snapshot) const {
    const offload::Counters counted = offload_->counters();
    const std::size_t udp = turn::index(turn::Transport::Udp);
    snapshot.turn.to_peer[udp] += turn::Traffic{counted.to_peer_packets, counted.to_peer_bytes};
    snapshot.turn.to_client[udp] += turn::Traffic{counted.to_client_packets, counted.to_client_bytes};
    snapshot.offload = counted;
  }

  config::Config config_;
  std::shared_ptr<const net::TlsContext> tls_;
  std::unique_ptr<offload::Offload> offload_;  // null: the sockets relay everything
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
  std::unique_ptr<signal::IceProvider> ice_;
  signal::JwtAuthenticator authenticator_;
  signal::Router router_;
  dialect::Native native_;
  dialect::SocketIo socketio_;
  dialect::SioApp signal_app_;
  dialect::PeerJs peerjs_;
  asio::io_context http_context_{1};
  net::HttpServer http_;
  CredentialsWatch watch_;
  FileWatch signal_keys_watch_;
  std::unique_ptr<net::CredentialHook> hook_;  // null: there is none
  std::unique_ptr<Backplane> backplane_;       // null: this is the only node
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::atomic<bool> stopping_{false};
  std::vector<std::unique_ptr<net::Shard>> shards_;
  std::thread thread_;
};

Runtime::Runtime(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Runtime::~Runtime() { stop(); }
void Runtime::start() { impl_->start(); }
void Runtime::stop() { impl_->stop(); }
void Runtime::revoke(turn::Revocation revocation) { impl_->revoke(std::move(revocation)); }
void Runtime::pulse(std::function<void()> alive) { impl_->pulse(std::move(alive)); }
Runtime::Ports Runtime::ports() const noexcept { return impl_->ports(); }
const config::Config& Runtime::config() const noexcept { return impl_->config(); }
const std::vector<std::string>& Runtime::ice_urls() const noexcept { return impl_->config().signal.ice_urls; }
const std::vector<std::string>& Runtime::warnings() const noexcept { return impl_->warnings(); }

Runtime::Made Runtime::make(config::Config config) {
  Made out;
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

  const bool offload_missing = config.offload.mode == offload::Mode::Tc && !offload::is_built_in();
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
                       : net::TlsContext::from_files(config.net.tls_cert_file, config.net.tls_key_file);
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

  choose_engine(config, listeners.warnings);
  const std::vector<std::string> more = cautions(config);
  listeners.warnings.insert(listeners.warnings.end(), more.begin(), more.end());
  config.turn.peers.own_addresses = host;
  const std::vector<Endpoint> endpoints = own_endpoints(listeners, config.net.alt_addresses);
  auto& closed = config.turn.peers.own_endpoints;
  closed.insert(closed.end(), endpoints.begin(), endpoints.end());
  std::vector<IpAddress> relays;
  for (const turn::RelayAddress& relay : config.turn.relay_addresses) relays.push_back(relay.local);
  config.turn.discovery = net::discovery_pairs(config.net, listeners, relays);
  if (config.signal.ice_urls.empty()) config.signal.ice_urls = own_urls(config, listeners);
  std::unique_ptr<offload::Offload> offload = start_offload(config, listeners);
  config.turn.tell_flows = offload != nullptr;
  try {
    auto impl = std::make_unique<Impl>(std::move(config), std::move(listeners), std::move(tls),
                                       std::move(offload), signal_keys ? std::move(*signal_keys) : nullptr);
    std::string problem = impl->share_descriptors(descriptors);
    if (problem.empty()) {
      out.runtime.reset(new Runtime(std::move(impl)));
    } else {
      out.problems.push_back(std::move(problem));
    }
  } catch (const OptionsProblem& problem) {
    out.problems.emplace_back(problem.what());
  } catch (const std::exception& error) {  // Boost's system_error is not the standard's
    out.problems.push_back(std::string("the system gives no descriptors or memory: ") + error.what() +
                           "; raise the limits (ulimit -n) or lower listen.threads");
  }
  return out;
}

}  // namespace ts::app
