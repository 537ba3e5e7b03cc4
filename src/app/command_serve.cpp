// SPDX-License-Identifier: Apache-2.0
// `turnstone serve`: runs until SIGINT or SIGTERM.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <nlohmann/json.hpp>

#include <turnstone/app/cli.hpp>
#include <turnstone/app/logging.hpp>
#include <turnstone/app/runtime.hpp>
#include <turnstone/auth/credentials.hpp>
#include <turnstone/metrics/snapshot.hpp>
#include <turnstone/net/clock.hpp>
#include <turnstone/net/udp_choice.hpp>

#include "external/discover.hpp"
#include "service_manager.hpp"

namespace ts::app {
namespace {

void log_start(const Runtime& runtime) {
  const Runtime::Ports ports = runtime.ports();
  const config::Config& config = runtime.config();
  log::info("serving", {{"version", metrics::build_info().version},
                        {"port", ports.turn},
                        {"tls_port", ports.tls},
                        {"dtls_port", ports.dtls},
                        {"http_port", ports.http},
                        {"admin_port", ports.admin},
                        {"threads", config.net.threads},
                        {"engine", net::name_of(config.net.udp_engine)},
                        {"realm", config.auth.realm},
                        {"turn", config.turn.enabled},
                        {"signaling", config.signaling_enabled}});
  for (const turn::RelayAddress& relay : config.turn.relay_addresses) {
    log::info("relay address", {{"advertised", relay.advertised.to_string()},
                                {"local", relay.local.to_string()},
                                {"ports", std::to_string(config.turn.ports.low) + '-' +
                                              std::to_string(config.turn.ports.high)}});
  }
  for (const std::string& warning : runtime.warnings()) log::warn(warning);
  if (config.dev) {
    log::warn(
        "dev mode: anyone may signal and peers may be private and loopback addresses; not for the internet");
  }
}

/// What signals do: SIGHUP reloads, SIGINT ends the server, SIGTERM ends it when it has drained, and another
/// one of these two in any case.
class Signals {
 public:
  /// From now on a SIGHUP waits for serve(): a service may be told to reload while it starts. The others do
  /// until then what they do to any process.
  explicit Signals(boost::asio::io_context& context) : context_(context), signals_(context, SIGHUP) {}

  /// All of it outlives the io_context's loop, which returns when the server is to end.
  void serve(Runtime& runtime, const ServiceManager& manager) {
    runtime_ = &runtime;
    manager_ = &manager;
    signals_.add(SIGINT);
    signals_.add(SIGTERM);
    wait();
  }

 private:
  void wait() {
    signals_.async_wait([this](const boost::system::error_code& error, int number) {
      if (error) return;
      if (number == SIGHUP) {
        reload();
        return wait();
      }
      if (number != SIGTERM || std::exchange(told_, true)) return end(number);
      runtime_->drain([this] { boost::asio::post(context_, [this] { end(SIGTERM); }); });
      wait();
    });
  }

  /// The log says what came of it.
  void reload() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(since).count();
    manager_->tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds));
    runtime_->reload([this](const ReloadReport&) {
      boost::asio::post(context_, [manager = manager_] { manager->tell("READY=1"); });
    });
  }

  void end(int number) {
    if (std::exchange(ended_, true)) return;
    log::info("stopping", {{"signal", number}});
    signals_.cancel();
    context_.stop();
  }

  boost::asio::io_context& context_;
  boost::asio::signal_set signals_;
  Runtime* runtime_ = nullptr;
  const ServiceManager* manager_ = nullptr;
  bool told_ = false;
  bool ended_ = false;
};

}  // namespace

std::string dev_banner(const Runtime& runtime) {
  const config::Config& config = runtime.config();
  const std::string user = "dev";
  nlohmann::json servers = nlohmann::json::array();
  nlohmann::json stun = nlohmann::json::array();
  nlohmann::json turn = nlohmann::json::array();
  std::string out = "\nTurnstone " + metrics::build_info().version + " is running in dev mode.\n\n";
  for (const std::string& url : runtime.ice_urls()) {
    out += "  " + url + '\n';
    (url.starts_with("stun") ? stun : turn).push_back(url);
  }
  if (!stun.empty()) servers.push_back({{"urls", stun}});
  if (!turn.empty() && !config.auth.secrets.empty()) {
    const auth::Minted made =
        auth::mint(config.auth.secrets.front(), user, net::now().wall + config.auth.credential_ttl);
    servers.push_back({{"urls", turn}, {"username", made.username}, {"credential", made.password}});
  }
  out += "\n  For RTCPeerConnection (the credential lives " +
         std::to_string(config.auth.credential_ttl.count()) + " s):\n  " +
         nlohmann::json{{"iceServers", servers}}.dump() + '\n';
  const Runtime::Ports ports = runtime.ports();
  const std::uint16_t page_port = ports.http != 0 ? ports.http : ports.turn;
  out += "\n  Demo:      http://localhost:" + std::to_string(page_port) + "/\n";
  if (ports.tls != 0)
    out +=
        "  over TLS:  https://localhost:" + std::to_string(ports.tls) + "/ (self-signed unless configured)\n";
  out += "  Metrics:   http://localhost:" + std::to_string(page_port) + "/metrics\n\n";
  return out;
}

int run_serve(config::Config config, LoadConfig load) {
  std::signal(SIGPIPE, SIG_IGN);
  log::set_up(config.log);
  boost::asio::io_context context;
  Signals signals(context);
  const config::Config loaded = config;
  // Before the runtime, whose threads speak to it until they end.
  const ServiceManager manager = ServiceManager::from_environment();
  if (const std::string problem = external::fill_discovered(config); !problem.empty()) {
    std::fprintf(stderr, "%s\n", problem.c_str());
    return 1;
  }
  Runtime::Made made = Runtime::make(std::move(config), std::move(load), &loaded);
  if (!made.runtime) {
    for (const std::string& problem : made.problems) std::fprintf(stderr, "%s\n", problem.c_str());
    return 1;
  }
  Heartbeat heartbeat(context, manager,
                      [&](const std::function<void()>& alive) { made.runtime->pulse(alive); });
  made.runtime->start();
  signals.serve(*made.runtime, manager);
  log_start(*made.runtime);
  if (made.runtime->config().dev) {
    std::fputs(dev_banner(*made.runtime).c_str(), stdout);
    std::fflush(stdout);
  }
  heartbeat.start();
  manager.tell("READY=1");
  context.run();
  manager.tell("STOPPING=1");
  made.runtime->stop();
  log::info("stopped");
  return 0;
}

}  // namespace ts::app
