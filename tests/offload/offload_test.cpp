// SPDX-License-Identifier: Apache-2.0
// Offload on devices of a network namespace that the test makes: which flows the kernel gets, and when it
// gives them back. Needs root.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <turnstone/offload/offload.hpp>

#include "kernel.hpp"

namespace ts::offload::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Endpoint ep(const char* text) { return Endpoint::parse(text).value(); }

/// A flow of a client at 198.51.100.x whose peer is at 203.0.113.x.
turn::Flow flow_of(int number, const char* peer = "203.0.113.9:9000") {
  turn::Flow out;
  out.channel = static_cast<std::uint16_t>(0x4000 + number);
  out.tuple = {ep("198.51.100.7:7000"), ep("198.51.100.1:3478"), turn::Transport::Udp};
  out.relay = ep("203.0.113.1:50000");
  out.peer = ep(peer);
  out.until = kernel_now() + std::chrono::minutes(5);
  return out;
}

/// The calling thread, and those that it starts, are in a namespace with the devices `va` and `vb`.
struct Offloading : ::testing::Test {
  void SetUp() override {
    if (!is_built_in()) GTEST_SKIP() << "built without libbpf or clang";
    home = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0)
      GTEST_SKIP() << "needs root, for network namespaces";
    away = true;
    ASSERT_TRUE(ip("link set lo up") && ip("link add va type veth peer name va-far") &&
                ip("addr add 198.51.100.1/24 dev va") && ip("link add vb type veth peer name vb-far") &&
                ip("addr add 203.0.113.1/24 dev vb") && ip("link set va up") && ip("link set va-far up") &&
                ip("link set vb up") && ip("link set vb-far up"));
    auto made = Offload::make(options);
    ASSERT_TRUE(made) << made.error();
    offload = std::move(*made);
  }
  void TearDown() override {
    offload.reset();
    if (away) {
      EXPECT_EQ(::setns(home, CLONE_NEWNET), 0);
    }
    if (home >= 0) ::close(home);
  }

  static bool ip(const std::string& what) { return std::system(("ip " + what).c_str()) == 0; }
  static bool has_filter(const std::string& device) {
    return std::system(("tc filter show dev " + device + " ingress | grep -q turnstone_relay").c_str()) == 0;
  }
  std::vector<std::string> attach() {
    auto out = offload->attach(3478, warnings);
    EXPECT_TRUE(out) << out.error();
    return out ? *out : std::vector<std::string>();
  }
  turn::Flow tell(turn::Flow flow, bool ended = false) {
    flow.ended = ended;
    offload->apply({&flow, 1});
    return flow;
  }
  std::uint64_t flows() const { return offload->counters().flows; }
  /// Routes are followed on a thread of its own.
  bool soon(std::uint64_t wanted) const {
    for (int i = 0; i < 300 && flows() != wanted; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return flows() == wanted;
  }

  Options options{Mode::Tc, {}};
  std::unique_ptr<Offload> offload;
  std::vector<std::string> warnings;
  int home = -1;
  bool away = false;
};

TEST_F(Offloading, FiltersComeAndGo) {
  EXPECT_THAT(attach(), ElementsAre("va", "vb")) << "the far ends have no address";
  EXPECT_TRUE(has_filter("va") && has_filter("vb"));
  EXPECT_FALSE(has_filter("va-far"));
  EXPECT_THAT(warnings, IsEmpty());
  auto successor = Offload::make(options);
  ASSERT_TRUE(successor);
  ASSERT_TRUE((*successor)->attach(3478, warnings));
  offload.reset();
  EXPECT_TRUE(has_filter("va")) << "it is the successor's";
  successor->reset();
  EXPECT_FALSE(has_filter("va") || has_filter("vb"));
}

TEST_F(Offloading, FlowsComeAndGo) {
  attach();
  tell(flow_of(1));
  tell(flow_of(2));
  EXPECT_EQ(flows(), 2U);
  tell(flow_of(1));
  EXPECT_EQ(flows(), 2U) << "told again";
  tell(flow_of(2, "203.0.113.10:9000"));
  EXPECT_EQ(flows(), 2U) << "the channel has another peer";
  const turn::Flow ended = tell(flow_of(1), true);
  EXPECT_EQ(flows(), 1U);
  EXPECT_EQ(ended.to_peer.packets, 0U);
  tell(flow_of(1), true);
  tell(flow_of(2, "203.0.113.10:9000"), true);
  EXPECT_EQ(flows(), 0U);
}

TEST_F(Offloading, SomeFlowsAreTheSockets) {
  attach();
  tell(flow_of(1, "[2001:db8::1]:9000"));
  EXPECT_EQ(flows(), 0U) << "of two families";
  tell(flow_of(2, "169.254.0.1:9000"));
  EXPECT_EQ(flows(), 0U) << "link-local";
  tell(flow_of(3, "192.0.2.1:9000"));
  EXPECT_EQ(flows(), 0U) << "there is no route";
  turn::Flow local = flow_of(4);
  local.tuple.client = ep("203.0.113.1:7000");
  tell(local);
  EXPECT_EQ(flows(), 0U) << "the client is on this host";
  for (int i = 1; i < 5; ++i) tell(i == 4 ? local : flow_of(i), true);
  EXPECT_EQ(flows(), 0U);
}

TEST_F(Offloading, FollowsTheRoutes) {
  attach();
  tell(flow_of(1));
  tell(flow_of(2, "192.0.2.1:9000"));
  EXPECT_EQ(flows(), 1U);
  ASSERT_TRUE(ip("route add 192.0.2.0/24 via 203.0.113.254"));
  EXPECT_TRUE(soon(2));
  ASSERT_TRUE(ip("link set vb down"));
  EXPECT_TRUE(soon(0));
  ASSERT_TRUE(ip("link set vb up"));
  EXPECT_TRUE(soon(1));
  ASSERT_TRUE(
      ip("link add vc type veth peer name vc-far && ip addr add 192.0.2.2/24 dev vc && ip link set vc-far up "
         "&& ip "
         "link set vc up"));
  EXPECT_TRUE(soon(2)) << "a device that came later";
  EXPECT_TRUE(has_filter("vc"));
}

struct OffloadingOnSome : Offloading {
  OffloadingOnSome() { options.devices = {"vb", "missing"}; }
};

TEST_F(OffloadingOnSome, KeepsToTheDevices) {
  EXPECT_THAT(attach(), ElementsAre("vb"));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0], HasSubstr("missing"));
  EXPECT_FALSE(has_filter("va"));
  tell(flow_of(1));
  EXPECT_EQ(flows(), 0U) << "its client comes by another device";
}

struct OffloadingOnNone : Offloading {
  OffloadingOnNone() { options.devices = {"lo"}; }
};

TEST_F(OffloadingOnNone, SaysSo) {
  const auto devices = offload->attach(3478, warnings);
  ASSERT_FALSE(devices);
  EXPECT_THAT(devices.error(), HasSubstr("lo is no Ethernet device"));
}

[[noreturn]] void load_as_nobody() {
  constexpr uid_t kNobody = 65534;
  const bool powerless = ::geteuid() != 0 || ::setuid(kNobody) == 0;
  const auto made = Offload::make({});
  std::fprintf(stderr, "%s\n", made ? "loaded" : made.error().c_str());
  std::_Exit(powerless && !made ? 0 : 1);
}

TEST(Offload, SaysWhatIsMissing) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(load_as_nobody(), ::testing::ExitedWithCode(0), is_built_in() ? "CAP_BPF" : "libbpf");
}

}  // namespace
}  // namespace ts::offload::testing
