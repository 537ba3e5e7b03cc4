// SPDX-License-Identifier: Apache-2.0
// Offload on devices of a network namespace that the test makes: which flows the kernel gets, and when it
// gives them back. Needs root.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <turnstone/offload/offload.hpp>

#include "../../src/offload/changes.hpp"
#include "../../src/offload/handle.hpp"
#include "../../src/offload/ways.hpp"
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
    there = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
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
    for (const int descriptor : {home, there})
      if (descriptor >= 0) ::close(descriptor);
  }

  static bool ip(const std::string& what) { return std::system(("ip " + what).c_str()) == 0; }
  /// On the way in and on the way out.
  static int filters(const std::string& device) {
    int out = 0;
    for (const char* where : {" ingress", " egress"}) {
      std::FILE* shown = ::popen(("tc filter show dev " + device + where).c_str(), "r");
      std::array<char, 512> line;
      while (std::fgets(line.data(), line.size(), shown) != nullptr)
        out += std::string(line.data()).find("turnstone_") != std::string::npos ? 1 : 0;
      ::pclose(shown);
    }
    return out;
  }
  std::vector<std::string> attach() {
    auto out = offload->attach(warnings);
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
  int there = -1;
  bool away = false;
};

TEST_F(Offloading, FiltersComeAndGo) {
  EXPECT_THAT(attach(), ElementsAre("va", "vb")) << "the far ends have no address";
  EXPECT_EQ(filters("va"), 2);
  EXPECT_EQ(filters("vb"), 2);
  EXPECT_EQ(filters("va-far"), 0);
  EXPECT_THAT(warnings, IsEmpty());
  auto another = Offload::make(options);
  ASSERT_TRUE(another);
  ASSERT_TRUE((*another)->attach(warnings));
  EXPECT_EQ(filters("va"), 4) << "two servers on a host";
  offload.reset();
  EXPECT_EQ(filters("va"), 2) << "they are the other one's";
  another->reset();
  EXPECT_EQ(filters("va") + filters("vb"), 0);
}

TEST_F(Offloading, FiltersOfCrashedServersAreTakenAway) {
  // Before this process has another thread. The first to start is the last to crash.
  std::array<int, 2> go{};
  ASSERT_EQ(::pipe(go.data()), 0);
  std::array<pid_t, 2> children{};
  for (std::size_t i = 0; i < 2; ++i) {
    children[i] = ::fork();
    if (children[i] != 0) {
      for (int n = 0; n < 300 && filters("vb") < static_cast<int>(2 * i + 2); ++n) ::usleep(10'000);
      continue;
    }
    auto crashing = Offload::make(options);
    const bool good = crashing && (*crashing)->attach(warnings);
    char word = 0;
    if (i == 0) static_cast<void>(::read(go[0], &word, 1) + 0);
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(children[1], &status, 0), children[1]);
  EXPECT_EQ(status, 0);
  ASSERT_EQ(::write(go[1], "x", 1), 1);
  ASSERT_EQ(::waitpid(children[0], &status, 0), children[0]);
  EXPECT_EQ(status, 0);
  for (const int descriptor : go) ::close(descriptor);
  EXPECT_EQ(filters("va"), 4) << "those of two numbers";
  attach();
  EXPECT_EQ(filters("va"), 2);
  EXPECT_EQ(filters("vb"), 2);
}

TEST_F(Offloading, FlowsComeAndGo) {
  attach();
  tell(flow_of(1));
  tell(flow_of(2));
  EXPECT_TRUE(soon(2));
  tell(flow_of(1));
  EXPECT_EQ(flows(), 2U) << "told again";
  tell(flow_of(2, "203.0.113.10:9000"));
  EXPECT_TRUE(soon(2)) << "the channel has another peer";
  const turn::Flow ended = tell(flow_of(1), true);
  EXPECT_EQ(flows(), 1U) << "at once";
  EXPECT_EQ(ended.to_peer.packets, 0U);
  tell(flow_of(1), true);
  tell(flow_of(2, "203.0.113.10:9000"), true);
  EXPECT_EQ(flows(), 0U);
  tell(flow_of(1));
  tell(flow_of(1), true);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(flows(), 0U) << "it was over before its ways were found";
}

TEST_F(Offloading, SomeFlowsAreTheSockets) {
  attach();
  turn::Flow local = flow_of(4);
  local.tuple.client = ep("203.0.113.1:7000");
  const turn::Flow theirs[] = {flow_of(1, "[2001:db8::1]:9000"), flow_of(2, "169.254.0.1:9000"),
                               flow_of(3, "192.0.2.1:9000"), local};
  for (const turn::Flow& flow : theirs) tell(flow);
  tell(flow_of(5));
  EXPECT_TRUE(soon(1)) << "not those of two families, link-local, without a route, and of this host";
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(flows(), 1U);
  for (const turn::Flow& flow : theirs) tell(flow, true);
  tell(flow_of(5), true);
  EXPECT_EQ(flows(), 0U);
}

TEST_F(Offloading, FollowsTheRoutes) {
  attach();
  tell(flow_of(1));
  tell(flow_of(2, "192.0.2.1:9000"));
  EXPECT_TRUE(soon(1));
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
  EXPECT_EQ(filters("vc"), 2);
}

TEST_F(Offloading, FollowsAChangeRightAfterAnother) {
  attach();
  ASSERT_TRUE(ip("route add 198.18.0.0/15 via 203.0.113.254"));
  tell(flow_of(1));
  ASSERT_TRUE(soon(1)) << "placed while it waits for a quiet moment";
  ASSERT_TRUE(ip("route add unreachable 203.0.113.9/32"));
  EXPECT_TRUE(soon(0));
}

/// Such as a daemon that sets routes without end.
TEST_F(Offloading, FollowsThoughTheRoutesAreNeverQuiet) {
  attach();
  tell(flow_of(1, "192.0.2.1:9000"));
  std::atomic<bool> enough = false;
  std::thread restless([&] {
    ASSERT_EQ(::setns(there, CLONE_NEWNET), 0);
    for (int i = 0; !enough && i < 1000; ++i) {
      ip(i % 2 == 0 ? "route add 198.18.0.0/15 via 203.0.113.254" : "route del 198.18.0.0/15");
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(ip("link add vc type veth peer name vc-far") && ip("addr add 192.0.2.2/24 dev vc") &&
              ip("link set vc-far up") && ip("link set vc up"));
  EXPECT_TRUE(soon(1)) << "its device is new";
  enough = true;
  restless.join();
}

TEST_F(Offloading, FollowsRulesAndNexthopObjects) {
  ASSERT_TRUE(ip("-6 addr add 2001:db8:1::1/64 dev va nodad") &&
              ip("-6 addr add 2001:db8:2::1/64 dev vb nodad"));
  attach();
  turn::Flow six = flow_of(1, "[2001:db8:2::9]:9000");
  six.tuple = {ep("[2001:db8:1::7]:7000"), ep("[2001:db8:1::1]:3478"), turn::Transport::Udp};
  six.relay = ep("[2001:db8:2::1]:50000");
  tell(six);
  EXPECT_TRUE(soon(1));
  ASSERT_TRUE(ip("-6 rule add to 2001:db8:2::9 unreachable"));
  EXPECT_TRUE(soon(0)) << "an IPv6 rule";
  ASSERT_TRUE(ip("-6 rule del to 2001:db8:2::9 unreachable"));
  EXPECT_TRUE(soon(1));
  ASSERT_TRUE(ip("-6 rule add to 2001:db8:2::9 ipproto udp sport 50000 dport 9000 unreachable"));
  EXPECT_TRUE(soon(0)) << "a rule for these ports";
  tell(six, true);
  if (!ip("nexthop add id 7 via 203.0.113.254 dev vb")) GTEST_SKIP() << "no nexthop objects here";
  ASSERT_TRUE(ip("route add 192.0.2.0/24 nhid 7"));
  tell(flow_of(2, "192.0.2.1:9000"));
  EXPECT_TRUE(soon(1));
  ASSERT_TRUE(ip("nexthop replace id 7 blackhole"));
  EXPECT_TRUE(soon(0)) << "a nexthop object";
}

TEST_F(Offloading, HearsOfAllThatDecidesAboutPackets) {
  Changes changes;
  ASSERT_TRUE(changes.is_open());
  bool last = false;
  for (const char* change :
       {"ip link set va mtu 1400", "ip addr add 198.51.100.99/24 dev va", "ip route add 192.0.2.0/24 dev va",
        "ip rule add to 192.0.2.7 unreachable", "ip -6 addr add 2001:db8:1::1/64 dev va nodad",
        "ip -6 route add 2001:db8:3::/64 dev va", "ip -6 rule add to 2001:db8:2::9 unreachable",
        "ip nexthop add id 7 blackhole", "nft add table inet tso", "nft flush ruleset",
        "ip xfrm policy add src 192.0.2.0/24 dst 192.0.2.0/24 dir out action block"}) {
    // Addresses and routes of IPv6 come into force by and by.
    do {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    } while (changes.take());
    EXPECT_FALSE(changes.has_ipsec_policies());
    last = std::system((std::string(change) + " 2>/dev/null").c_str()) == 0;
    if (!last) std::printf("not on this kernel: %s\n", change);
    EXPECT_EQ(changes.take(), last) << change;
  }
  EXPECT_EQ(changes.has_ipsec_policies(), last);
}

TEST_F(Offloading, KeepsTheDevicesWhenTheSystemDoesNotSay) {
  attach();
  tell(flow_of(1));
  ASSERT_TRUE(soon(1));
  ASSERT_EQ(std::system("(sleep 0.2; ip route add 198.18.0.0/15 via 203.0.113.254) &"), 0);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{3, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_FALSE(ethernet_devices());
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  const std::uint64_t meanwhile = flows();
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(meanwhile, 1U);
  EXPECT_TRUE(ethernet_devices());
  EXPECT_TRUE(soon(1));
}

TEST_F(Offloading, LeavesAllToTheSocketsBesideIpsec) {
  attach();
  tell(flow_of(1));
  ASSERT_TRUE(soon(1));
  if (!ip("xfrm policy add src 192.0.2.0/24 dst 192.0.2.0/24 dir out action block"))
    GTEST_SKIP() << "no IPsec here";
  EXPECT_TRUE(soon(0));
  auto later = Offload::make(options);
  ASSERT_TRUE(later);
  ASSERT_TRUE((*later)->attach(warnings));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("IPsec")));
  later->reset();
  ASSERT_TRUE(ip("xfrm policy deleteall"));
  EXPECT_TRUE(soon(1));
}

struct OffloadingOnSome : Offloading {
  OffloadingOnSome() { options.devices = {"vb", "missing"}; }
};

TEST_F(OffloadingOnSome, KeepsToTheDevices) {
  EXPECT_THAT(attach(), ElementsAre("vb"));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0], HasSubstr("missing"));
  EXPECT_EQ(filters("va"), 0);
  tell(flow_of(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(flows(), 0U) << "its client comes by another device";
}

struct OffloadingOnNone : Offloading {
  OffloadingOnNone() { options.devices = {"lo"}; }
};

TEST_F(OffloadingOnNone, SaysSo) {
  const auto devices = offload->attach(warnings);
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

/// As with systemd's AmbientCapabilities=CAP_BPF CAP_NET_ADMIN: no CAP_PERFMON, no CAP_SYS_ADMIN.
[[noreturn]] void load_with_two_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  data[0].effective = data[0].permitted = 1U << CAP_NET_ADMIN;
  data[1].effective = data[1].permitted = 1U << (CAP_BPF - 32);
  const bool left = ::syscall(SYS_capset, &header, data.data()) == 0;
  const auto made = Offload::make({});
  std::fprintf(stderr, "%s\n", made ? "loaded" : made.error().c_str());
  std::_Exit(left && made ? 0 : 1);
}

TEST(Offload, NeedsTwoCapabilities) {
  if (!is_built_in()) GTEST_SKIP() << "built without libbpf or clang";
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(load_with_two_capabilities(), ::testing::ExitedWithCode(0), "loaded");
}

TEST(Offload, ServersHaveHandlesOfTheirOwn) {
  std::vector<Handle> all;
  while (auto handle = Handle::take()) all.push_back(*std::move(handle));
  std::set<std::uint32_t> numbers;
  for (const Handle& handle : all) numbers.insert(handle.number());
  EXPECT_EQ(numbers.size(), all.size());
  EXPECT_LE(all.size(), kMostHandles);
  ASSERT_FALSE(all.empty());
  const std::uint32_t first = all[0].number();
  all.erase(all.begin());
  std::vector<std::uint32_t> free;
  Handle::for_each_free([&](std::uint32_t number) { free.push_back(number); });
  EXPECT_THAT(free, ElementsAre(first));
}

}  // namespace
}  // namespace ts::offload::testing
