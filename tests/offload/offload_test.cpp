// SPDX-License-Identifier: Apache-2.0
// Offload on devices of a network namespace that the test makes: which flows the kernel gets, and when it
// gives them back. Needs root.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <turnstone/offload/offload.hpp>

#include "../../src/offload/changes.hpp"
#include "../../src/offload/clock.hpp"
#include "../../src/offload/handle.hpp"
#include "../../src/offload/ways.hpp"
#include "kernel.hpp"

namespace ts::offload::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Endpoint ep(const char* text) { return Endpoint::parse(text).value(); }

constexpr uid_t kNobody = 65534;

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
  bool filters_soon(const std::string& device, int wanted) const {
    for (int i = 0; i < 80 && filters(device) != wanted; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return filters(device) == wanted;
  }
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

TEST_F(Offloading, FiltersThatSomebodyTookAwayComeBack) {
  attach();
  ASSERT_EQ(std::system("tc filter del dev va ingress"), 0);
  ASSERT_EQ(std::system("tc qdisc del dev vb clsact"), 0);
  EXPECT_EQ(filters("va"), 1);
  EXPECT_EQ(filters("vb"), 0);
  EXPECT_TRUE(filters_soon("va", 2));
  EXPECT_TRUE(filters_soon("vb", 2));
  offload.reset();
  EXPECT_EQ(filters("va") + filters("vb"), 0);
}

/// A label is no device's name.
TEST_F(Offloading, KnowsDevicesByTheirNames) {
  ASSERT_TRUE(ip("link add vd type veth peer name vd-far") && ip("link set vd up") &&
              ip("link set vd-far up") && ip("addr add 192.0.2.1/24 dev vd label vd:1"));
  EXPECT_THAT(attach(), ElementsAre("va", "vb", "vd"));
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

/// Changes that the kernel has and we cannot hear of are no absent ones.
TEST_F(Offloading, MustHearOfThemAll) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(home);
  ::close(next);
  for (unsigned sockets = 0; sockets <= 4; ++sockets) {
    const rlimit some{static_cast<rlim_t>(next) + sockets, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &some), 0);
    const bool open = Changes().is_open();
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(open, sockets == 4) << sockets;
  }
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
bool keep_two_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  data[0].effective = data[0].permitted = 1U << CAP_NET_ADMIN;
  data[1].effective = data[1].permitted = 1U << (CAP_BPF - 32);
  return ::syscall(SYS_capset, &header, data.data()) == 0;
}

[[noreturn]] void load_with_two_capabilities() {
  const bool left = keep_two_capabilities();
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

/// What `f` says in a child process, by its exit code: 0.
template <class F>
bool in_a_child(F&& f) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(f() ? 0 : 1);
  int status = -1;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

TEST_F(Offloading, SaysWhenNoThreadCanBeStarted) {
  EXPECT_TRUE(in_a_child([&] {
    // Nobody may have no process, and is bound by that without CAP_SYS_RESOURCE.
    const rlimit none{0, 0};
    if (::prctl(PR_SET_KEEPCAPS, 1) != 0 || ::setuid(kNobody) != 0 || !keep_two_capabilities() ||
        ::setrlimit(RLIMIT_NPROC, &none) != 0)
      return false;
    const auto devices = offload->attach(warnings);
    const bool said = !devices && devices.error().find("no thread can be started") != std::string::npos;
    if (!said) std::fprintf(stderr, "%s\n", devices ? "attached" : devices.error().c_str());
    offload.reset();
    return said;
  }));
  EXPECT_EQ(filters("va") + filters("vb"), 0);
}

TEST(Offload, KnowsClocksThatAreNotTheKernels) {
  EXPECT_FALSE(moves_monotonic(""));
  EXPECT_FALSE(moves_monotonic("monotonic           0         0\nboottime            0         0\n"));
  EXPECT_FALSE(moves_monotonic("monotonic           0         0\nboottime         1000         0\n"));
  EXPECT_TRUE(moves_monotonic("monotonic        1000         0\nboottime            0         0\n"));
  EXPECT_TRUE(moves_monotonic("monotonic          -1         0\n"));
  EXPECT_TRUE(moves_monotonic("boottime 0 0\nmonotonic 0 500"));
  EXPECT_TRUE(moves_monotonic("1 0 10000000"));
  EXPECT_FALSE(is_clock_moved());
}

TEST(Offload, IsRefusedInATimeNamespace) {
  if (!is_built_in()) GTEST_SKIP() << "built without libbpf or clang";
  if (::geteuid() != 0 || ::access("/proc/self/timens_offsets", R_OK) != 0)
    GTEST_SKIP() << "needs root, and a kernel with time namespaces";
  EXPECT_TRUE(in_a_child([] {
    if (::unshare(CLONE_NEWTIME) != 0) return errno == EPERM;  // root without CAP_SYS_ADMIN
    const int offsets = ::open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    constexpr std::string_view kLater = "monotonic 1000 0";
    if (::write(offsets, kLater.data(), kLater.size()) != static_cast<ssize_t>(kLater.size())) return false;
    ::close(offsets);
    return in_a_child([] {
      const auto made = Offload::make({});
      return !made && made.error().find("time namespace") != std::string::npos;
    });
  }));
}

/// A folder that is taken away at the end, with what is in it.
struct Folder {
  explicit Folder(mode_t mode) {
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path = "/tmp/ts-handles-XXXXXX";
};

/// Names are anybody's; files in a folder of ours are not.
TEST_F(Offloading, StrangersCannotTakeTheHandles) {
  std::array<int, 2> ready{};
  std::array<int, 2> go{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  ASSERT_EQ(::pipe(go.data()), 0);
  const pid_t stranger = ::fork();
  char word = 0;
  if (stranger == 0) {
    const bool nobody = ::setuid(kNobody) == 0;
    std::vector<Handle> all;
    while (auto handle = Handle::take("/nowhere")) all.push_back(*std::move(handle));
    ::close(go[1]);
    const bool told = nobody && all.size() == kMostHandles && ::write(ready[1], "x", 1) == 1;
    static_cast<void>(::read(go[0], &word, 1) + 0);
    ::_exit(told ? 0 : 1);
  }
  ::close(ready[1]);
  EXPECT_EQ(::read(ready[0], &word, 1), 1);
  const Folder safe(0755);
  const Folder open(0777);
  EXPECT_FALSE(Handle::take(open.path)) << "anybody could lock a file there";
  {
    const auto one = Handle::take(safe.path);
    const auto two = Handle::take(safe.path);
    ASSERT_TRUE(one && two);
    EXPECT_NE(one->number(), two->number());
    Handle::for_each_free(
        [&](std::uint32_t number) { ADD_FAILURE() << number << " may be a server's of another user"; },
        safe.path);
  }
  EXPECT_TRUE(std::filesystem::is_empty(safe.path)) << "locks go with their owners";
  for (const int end : {go[0], go[1], ready[0]}) ::close(end);
  int status = -1;
  EXPECT_EQ(::waitpid(stranger, &status, 0), stranger);
  EXPECT_EQ(status, 0);
}

/// It may be a server that lives, of a user of its own.
TEST_F(Offloading, AStrangersHandleIsLeftWhileOthersAreFree) {
  std::array<int, 2> ready{};
  std::array<int, 2> go{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  ASSERT_EQ(::pipe(go.data()), 0);
  const pid_t other = ::fork();
  char word = 0;
  if (other == 0) {
    const bool nobody = ::setuid(kNobody) == 0;
    const auto handle = Handle::take("/nowhere");
    ::close(go[1]);
    const bool told = nobody && handle && ::write(ready[1], "x", 1) == 1;
    static_cast<void>(::read(go[0], &word, 1) + 0);
    ::_exit(told ? 0 : 1);
  }
  ::close(ready[1]);
  EXPECT_EQ(::read(ready[0], &word, 1), 1);
  {
    const Folder safe(0755);
    const auto ours = Handle::take(safe.path);
    const auto next = Handle::take(safe.path);
    ASSERT_TRUE(ours && next);
    EXPECT_EQ(next->number(), ours->number() + 1);
    std::size_t free = 0;
    Handle::for_each_free([&](std::uint32_t) { ++free; }, safe.path);
    EXPECT_EQ(free, kMostHandles - 3) << "the stranger's and ours";
  }
  for (const int end : {go[0], go[1], ready[0]}) ::close(end);
  int status = -1;
  EXPECT_EQ(::waitpid(other, &status, 0), other);
  EXPECT_EQ(status, 0);
}

/// Of another container, say, with the same network and other files.
TEST_F(Offloading, ServersWithoutAFileHaveTheirHandles) {
  const Folder folder(0755);
  const auto one = Handle::take("/nowhere/at/all");
  const auto two = Handle::take(folder.path);
  ASSERT_TRUE(one && two);
  EXPECT_NE(one->number(), two->number());
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
