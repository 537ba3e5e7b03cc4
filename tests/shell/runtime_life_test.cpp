// SPDX-License-Identifier: Apache-2.0
// Start, stop, and metrics of the whole server, with traffic running.
#include <atomic>

#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

TEST(Log, TellsWhoseAllocationBeganAndEnded) {
  ::testing::internal::CaptureStderr();
  {
    config::Config config = loopback_config();
    config.log.level = config::LogLevel::Info;
    const Server server(std::move(config));
    TurnClient client(Via::Udp, server.turn());
    ASSERT_EQ(client.allocate(), 0);
    ASSERT_EQ(client.refresh(0), 0);
  }
  app::log::set_up({config::LogLevel::Off, config::LogFormat::Text});
  const std::string log = ::testing::internal::GetCapturedStderr();
  const std::string whose = std::string(" user=") + TurnClient::user + " realm=turnstone client=127.0.0.1:";
  EXPECT_NE(log.find("allocation started" + whose), std::string::npos) << log;
  EXPECT_NE(log.find("allocation ended" + whose), std::string::npos) << log;
}

TEST(Metrics, CountWhatIsRelayed) {
  const Server server(loopback_config(2));
  const EchoPeer peer;
  for (const Via via : {Via::Udp, Via::Tcp, Via::Tls}) {
    SCOPED_TRACE(name(via));
    const std::string transport = std::string("transport=\"") + name(via) + "\"";
    TurnClient client(via, server.listener(via));
    ASSERT_EQ(client.allocate(), 0);
    ASSERT_EQ(client.bind(kChannel, peer.local()), 0);
    for (std::uint32_t i = 0; i < 10; ++i) {
      client.send_channel(kChannel, pattern(100 + i));
      ASSERT_TRUE(client.next());
    }
    std::string metrics = server.metrics();
    for (const char* direction : {"to_peer", "to_client"}) {
      const auto of = [&](std::string_view metric) {
        return sample(metrics, metric, std::string("direction=\"") + direction + "\"," + transport);
      };
      EXPECT_EQ(of("turnstone_relayed_packets_total"), 10) << direction;
      EXPECT_EQ(of("turnstone_relayed_bytes_total"), 1045) << direction;
    }
    EXPECT_EQ(sample(metrics, "turnstone_allocations", transport), 1);
    EXPECT_EQ(sample(metrics, "turnstone_channels"), 1);
    EXPECT_EQ(sample(metrics, "turnstone_permissions"), 1);
    EXPECT_EQ(sample(metrics, "turnstone_relay_ports_used"), 1);
    if (via != Via::Udp) {
      EXPECT_EQ(sample(metrics, "turnstone_streams", std::string("turn_") + name(via)), 1);
    }
    ASSERT_EQ(client.refresh(0), 0);
    metrics = server.metrics();
    EXPECT_EQ(sample(metrics, "turnstone_allocations"), 0);
    EXPECT_EQ(sample(metrics, "turnstone_relay_ports_used"), 0);
    EXPECT_EQ(sample(metrics, "turnstone_channels"), 0);
    client.close();
    EXPECT_TRUE(server.settles("turnstone_streams", "turn_", 0));
  }
  const std::string metrics = server.metrics();
  EXPECT_EQ(sample(metrics, "turnstone_allocations_created_total"), 3);
  EXPECT_EQ(sample(metrics, "turnstone_allocations_ended_total", "refreshed"), 3);
  EXPECT_EQ(sample(metrics, "turnstone_requests_total", "method=\"allocate\",code=\"401\""), 3);
  EXPECT_EQ(sample(metrics, "turnstone_bugs_total"), 0);
  EXPECT_GT(sample(metrics, "turnstone_udp_packets_total", "received"), 0);
}

/// Clients that relay without pause, on threads of their own, until they are told to stop or are cut off.
class Traffic {
 public:
  explicit Traffic(const Server& server) {
    for (const Via via : {Via::Udp, Via::Tcp, Via::Tls}) {
      auto client = std::make_shared<TurnClient>(via, server.listener(via));
      EXPECT_EQ(client->allocate(), 0);
      EXPECT_EQ(client->bind(kChannel, peer_.local()), 0);
      threads_.emplace_back([this, client] {
        const Bytes data = pattern(900);
        while (!done_) {
          if (!client->send_channel(kChannel, data)) break;
          if (client->next(50ms)) ++relayed_;
        }
      });
    }
  }
  ~Traffic() { finish(); }
  void finish() {
    done_ = true;
    threads_.clear();
  }
  void run_for(int packets) const {
    const int until = relayed_ + packets;
    const auto deadline = Clock::now() + kPatience;
    while (relayed_ < until && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
    EXPECT_GE(relayed_, until);
  }

 private:
  EchoPeer peer_;
  std::atomic<bool> done_{false};
  std::atomic<int> relayed_{0};
  std::vector<std::jthread> threads_;
};

TEST(Metrics, ScrapesWhileTrafficRuns) {
  const Server server(loopback_config(2));
  Traffic traffic(server);
  double last = 0;
  for (int i = 0; i < 20; ++i) {
    traffic.run_for(3);
    const std::string metrics = server.metrics();
    const double now = sample(metrics, "turnstone_relayed_packets_total");
    EXPECT_GT(now, last);
    EXPECT_EQ(sample(metrics, "turnstone_allocations"), 3);
    last = now;
  }
}

TEST(Life, StopsWhileTrafficIsLive) {
  for (const std::uint32_t shards : {1U, 2U}) {
    Server server(loopback_config(shards));
    Traffic traffic(server);
    traffic.run_for(50);
    Wire http(server.http(), {});  // an idle HTTP connection, and streams that say nothing
    Wire silent(server.turn(), {});
    Wire stalled(server.tls(), {});
    stalled.write("\x16");
    const auto began = Clock::now();
    server.runtime->stop();
    EXPECT_LT(Clock::now() - began, kPatience);
    EXPECT_TRUE(silent.ends());
    EXPECT_TRUE(stalled.ends());
    server.runtime->stop();  // again
    traffic.finish();
    server.runtime.reset();
  }
}

TEST(Life, StartsAndStopsWithoutLosingDescriptors) {
  { const Server warm_up(loopback_config(2)); }
  const std::size_t before = descriptor_count();
  for (int i = 0; i < 20; ++i) {
    const Server server(loopback_config(2));
    TurnClient udp(Via::Udp, server.turn());
    TurnClient tls(Via::Tls, server.tls());
    ASSERT_EQ(udp.allocate(), 0);
    ASSERT_EQ(tls.allocate(), 0);
    ASSERT_TRUE(Wire(server.http(), {}).get("/readyz").starts_with("HTTP/1.1 200"));
  }
  EXPECT_EQ(descriptor_count(), before);
}

TEST(Life, MadeButNeverStarted) {
  const std::size_t before = descriptor_count();
  { const auto made = app::Runtime::make(loopback_config(2)); }
  EXPECT_EQ(descriptor_count(), before);
}

TEST(Life, ThePortsAreFreeAfterTheStop) {
  std::uint16_t port = 0;
  {
    const Server server(loopback_config(2));
    port = server.runtime->ports().turn;
    TurnClient client(Via::Tcp, server.turn());
    ASSERT_EQ(client.allocate(), 0);
  }
  config::Config again = loopback_config(2);
  again.net.port = port;
  EXPECT_TRUE(app::Runtime::make(std::move(again)).problems.empty());
}

}  // namespace
}  // namespace ts::shell_test
