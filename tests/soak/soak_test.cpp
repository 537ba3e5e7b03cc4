// SPDX-License-Identifier: Apache-2.0
// Allocations and streams come and go for TS_SOAK_SECONDS; afterwards memory, descriptors and ports are what
// they were after the first rounds.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <random>

#include "turn_client.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // its quarantine and shadow grow with what was used, not with what is
#else
constexpr bool kSanitized = false;
#endif

namespace ts::shell_test {
namespace {

constexpr std::uint16_t kChannel = 0x4001;
/// Room for the allocator's moods, and far below what a leak of one allocation's state a round would come to.
constexpr std::size_t kToleratedBytes = 12U << 20;

std::chrono::seconds soak_time() {
  const char* text = std::getenv("TS_SOAK_SECONDS");
  const int seconds = text != nullptr ? std::atoi(text) : 0;
  return std::chrono::seconds(seconds > 0 ? seconds : 10);
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t whole = 0;
  std::size_t resident = 0;
  statm >> whole >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// How many transports there are.
template <class V>
constexpr unsigned transport_count() {
  if constexpr (requires { V::Dtls; }) {
    return static_cast<unsigned>(V::Dtls) + 1;
  } else {
    return static_cast<unsigned>(V::Tls) + 1;
  }
}

/// Lives of allocations so short that those whose client just goes end during the test.
config::Config soak_config() {
  config::Config out = loopback_config(2);
  out.turn.default_lifetime = out.turn.max_lifetime = 8s;
  out.net.stream_idle_timeout = 4s;  // of DTLS associations whose client just went
  return out;
}

/// One life of a client: made, used, and ended in one of the ways that there are.
void live_once(const Server& server, const Endpoint& peer, std::mt19937& random) {
  const auto via = static_cast<Via>(random() % transport_count<Via>());
  TurnClient client(via, server.listener(via));
  ASSERT_TRUE(client.ok());
  const int code = client.allocate();
  // The kernel gave us the port of one that just went.
  if (code == 437 && via != Via::Tcp && via != Via::Tls) return;
  ASSERT_EQ(code, 0);
  ASSERT_EQ(client.bind(kChannel, peer), 0);
  for (std::uint32_t i = 0; i < 8; ++i) client.send_channel(kChannel, pattern(1 + random() % 1200, i));
  client.next(200ms);
  // A client over datagrams that just goes leaves its allocation to its lifetime.
  if (random() % 2 == 0) {
    ASSERT_EQ(client.refresh(0), 0);
  }
}

/// Streams that never become anything.
void knock(const Server& server, std::mt19937& random) {
  Wire wire(random() % 2 == 0 ? server.turn() : server.tls(), {});
  switch (random() % 5) {
    case 3: wire.write("\x16\x03\x01\x02"); break;  // a record that begins
    case 0: wire.write("\x16 no handshake"); break;
    case 1: wire.write(Bytes(1, 0xFF)); break;
    case 2: wire.get("/healthz"); break;
    default: break;
  }
}

class Churn {
 public:
  Churn(const Server& server, unsigned threads, Clock::time_point until) {
    for (unsigned t = 0; t < threads; ++t) {
      threads_.emplace_back([this, &server, t, until] {
        std::mt19937 random(t);
        while (Clock::now() < until && !testing::Test::HasFailure()) {
          live_once(server, peer_.local(), random);
          knock(server, random);
          ++rounds;
        }
      });
    }
  }
  void finish() { threads_.clear(); }
  std::atomic<std::uint64_t> rounds{0};

 private:
  EchoPeer peer_;
  std::vector<std::jthread> threads_;
};

void churn(const Server& server, std::chrono::milliseconds time) {
  Churn run(server, 4, Clock::now() + time);
  run.finish();
  EXPECT_GT(run.rounds, 0U);
  std::printf("%llu rounds\n", static_cast<unsigned long long>(run.rounds.load()));
  EXPECT_TRUE(server.settles("turnstone_allocations", "", 0));
  EXPECT_TRUE(server.settles("turnstone_streams", "turn_", 0));
}

TEST(Soak, ChurnLeavesNothingBehind) {
  const Server server(soak_config());
  churn(server,
        std::clamp<std::chrono::milliseconds>(soak_time() / 3, 1000ms, 60s));  // what is kept has grown
  const std::size_t memory = resident_bytes();
  const std::size_t descriptors = descriptor_count();
  churn(server, soak_time());
  const std::string metrics = server.metrics();
  EXPECT_EQ(sample(metrics, "turnstone_relay_ports_used"), 0);
  EXPECT_EQ(sample(metrics, "turnstone_permissions"), 0);
  EXPECT_EQ(sample(metrics, "turnstone_channels"), 0);
  EXPECT_EQ(sample(metrics, "turnstone_bugs_total"), 0);
  const auto deadline = Clock::now() + kPatience;
  while (descriptor_count() > descriptors && Clock::now() < deadline) std::this_thread::sleep_for(20ms);
  EXPECT_LE(descriptor_count(), descriptors);
  if (!kSanitized) {
    EXPECT_LE(resident_bytes(), memory + kToleratedBytes);
  }
}

}  // namespace
}  // namespace ts::shell_test
