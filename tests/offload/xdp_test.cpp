// SPDX-License-Identifier: Apache-2.0
// XDP on the devices of a network namespace: where it is attached and where not, and flows from one veth pair
// to another, with frames written and read at the far ends. Needs root.
#include <turnstone/offload/offload.hpp>

#if defined(TURNSTONE_BPF)

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/offload/ways.hpp"
#include "kernel.hpp"

namespace ts::offload::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint16_t kChannel = 0x4001;

Endpoint ep(const char* text) { return Endpoint::parse(text).value(); }
bool ip(const std::string& what) { return std::system(("ip " + what + " 2>/dev/null").c_str()) == 0; }

/// Closes with its owner; -1: nothing.
struct Descriptor {
  explicit Descriptor(int value) : number(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  int number;
};

/// An XDP program that passes everything on; on a veth's end it lets the other end send by XDP.
struct Passing {
  explicit Passing(const char* device) : program(load()), link(attach(program.number, device)) {}
  static int load() {
    const std::array<bpf_insn, 2> code{{{0xB7, 0, 0, 0, XDP_PASS}, {0x95, 0, 0, 0, 0}}};
    return bpf_prog_load(BPF_PROG_TYPE_XDP, "ts_pass", "Apache-2.0", code.data(), code.size(), nullptr);
  }
  static int attach(int program, const char* device) {
    bpf_link_create_opts options{};
    options.sz = sizeof options;
    options.flags = XDP_FLAGS_DRV_MODE;
    return bpf_link_create(program, static_cast<int>(::if_nametoindex(device)), BPF_XDP, &options);
  }
  bool is_there() const { return link.number >= 0; }
  Descriptor program;
  Descriptor link;
};

/// Nobody's program is on the device.
bool is_free(const char* device) { return Passing(device).is_there(); }

template <class F>
bool soon(F&& what) {
  for (int i = 0; i < 800; ++i) {
    if (what()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

/// Frames that are written and read at a device.
class Wire {
 public:
  explicit Wire(const char* device)
      : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
    address_.sll_family = AF_PACKET;
    address_.sll_protocol = htons(ETH_P_ALL);
    address_.sll_ifindex = static_cast<int>(::if_nametoindex(device));
    EXPECT_EQ(::bind(socket_.number, reinterpret_cast<const sockaddr*>(&address_), sizeof address_), 0);
  }
  void write(const Bytes& frame) const {
    EXPECT_EQ(::send(socket_.number, frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  }
  /// The next datagram between these that has come in.
  std::optional<Read> read(const Endpoint& from, const Endpoint& to, int milliseconds) const {
    const TimePoint until = kernel_now() + std::chrono::milliseconds(milliseconds);
    for (;;) {
      const auto rest = std::chrono::ceil<std::chrono::milliseconds>(until - kernel_now()).count();
      pollfd wait{socket_.number, POLLIN, 0};
      if (rest < 0 || ::poll(&wait, 1, static_cast<int>(rest)) <= 0) return std::nullopt;
      Bytes room(4096);
      sockaddr_ll at{};
      socklen_t size = sizeof at;
      const ssize_t got =
          ::recvfrom(socket_.number, room.data(), room.size(), 0, reinterpret_cast<sockaddr*>(&at), &size);
      if (got < 0 || at.sll_pkttype == PACKET_OUTGOING) continue;
      const auto read = read_frame({room.data(), static_cast<std::size_t>(got)});
      if (read && read->datagram.from == from && read->datagram.to == to) return read;
    }
  }

 private:
  Descriptor socket_;
  sockaddr_ll address_{};
};

/// What the server's sockets send, IPv4.
class Socket {
 public:
  explicit Socket(const Endpoint& local) : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in at = address_of(local);
    EXPECT_EQ(::bind(socket_.number, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  }
  void send(const Endpoint& to, const Bytes& payload) const {
    const sockaddr_in at = address_of(to);
    ::sendto(socket_.number, payload.data(), payload.size(), 0, reinterpret_cast<const sockaddr*>(&at),
             sizeof at);
  }

 private:
  static sockaddr_in address_of(const Endpoint& endpoint) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(endpoint.port);
    std::memcpy(&out.sin_addr, endpoint.address.bytes().data(), 4);
    return out;
  }
  Descriptor socket_;
};

struct OffloadingByXdp : ::testing::Test {
  void SetUp() override {
    if (::geteuid() != 0 || home.number < 0 || ::unshare(CLONE_NEWNET) != 0)
      GTEST_SKIP() << "needs root, for network namespaces";
    away = true;
    for (const char* each : {"va", "vb"}) {
      const std::string name = each;
      ASSERT_TRUE(ip("link add " + name + " type veth peer name " + name + "-far"));
      ASSERT_TRUE(ip("link set " + name + "-far up"));
    }
    ASSERT_TRUE(ip("link set lo up") && ip("addr add 198.51.100.1/24 dev va") &&
                ip("addr add 203.0.113.1/24 dev vb") && ip("link set va up") && ip("link set vb up"));
    auto made = Program::load(Program::With::Xdp);
    ASSERT_TRUE(made) << made.error();
    if (!(*made)->xdp_problem().empty()) GTEST_SKIP() << (*made)->xdp_problem();
    if (!is_free("va")) GTEST_SKIP() << "no XDP on veth here";
  }
  void TearDown() override {
    offload.reset();
    if (away) {
      EXPECT_EQ(::setns(home.number, CLONE_NEWNET), 0);
    }
  }
  std::vector<std::string> attach() {
    auto made = Offload::make({Mode::Xdp, {}});
    EXPECT_TRUE(made);
    if (!made) return {};
    offload = std::move(*made);
    auto out = offload->attach(warnings);
    EXPECT_TRUE(out) << out.error();
    return out ? *out : std::vector<std::string>();
  }

  Descriptor home{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
  bool away = false;
  std::unique_ptr<Offload> offload;
  std::vector<std::string> warnings;
};

TEST_F(OffloadingByXdp, ComesAndGoes) {
  const Passing one("va-far");
  const Passing other("vb-far");
  EXPECT_THAT(attach(), ElementsAre("va (xdp)", "vb (xdp)"));
  EXPECT_FALSE(is_free("va"));
  offload.reset();
  EXPECT_TRUE(is_free("va"));
  EXPECT_TRUE(is_free("vb"));
}

TEST_F(OffloadingByXdp, GoesWithACrash) {
  const pid_t child = ::fork();
  if (child == 0) {
    attach();
    ::_exit(is_free("va") ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "it was attached";
  EXPECT_TRUE(soon([] { return is_free("va") && is_free("vb"); })) << "the kernel closes it by and by";
}

TEST_F(OffloadingByXdp, SaysWhereItIsNot) {
  const Passing one("va-far");
  const Passing other("vb-far");
  const Passing foreign("va");
  ASSERT_TRUE(foreign.is_there());
  const bool dummy =
      ip("link add vd type dummy") && ip("addr add 192.0.2.1/24 dev vd") && ip("link set vd up");
  const auto devices = attach();
  EXPECT_THAT(devices, ::testing::Contains("vb (xdp)"));
  EXPECT_THAT(devices, ::testing::Contains("va")) << "tc";
  EXPECT_THAT(warnings,
              ::testing::Contains(HasSubstr("va (veth): no XDP, since it has another XDP program")));
  if (dummy) {
    EXPECT_THAT(warnings, ::testing::Contains(HasSubstr("vd (dummy): no XDP, since its driver has no")));
  }
}

TEST_F(OffloadingByXdp, SaysWhatDoesNotSend) {
  attach();
  EXPECT_THAT(warnings, ::testing::Contains(HasSubstr("va (veth): it does not send what XDP gives it")));
}

/// A tag that a card takes off is not seen.
TEST_F(OffloadingByXdp, LeavesDevicesThatVlansStandOn) {
  attach();
  ASSERT_FALSE(is_free("va"));
  if (!ip("link add link va name va.5 type vlan id 5")) GTEST_SKIP() << "no VLAN devices here";
  EXPECT_TRUE(soon([] { return is_free("va"); }));
  EXPECT_FALSE(is_free("vb"));
  ASSERT_TRUE(ip("link del va.5"));
  EXPECT_TRUE(soon([] { return !is_free("va"); })) << "and comes back";
}

TEST_F(OffloadingByXdp, FollowsDevices) {
  attach();
  ASSERT_TRUE(ip("link add vc type veth peer name vc-far") && ip("link set vc-far up") &&
              ip("addr add 192.0.2.1/24 dev vc") && ip("link set vc up"));
  EXPECT_TRUE(soon([] { return !is_free("vc"); })) << "one that came later";
  ASSERT_TRUE(ip("link del vc"));
  ASSERT_TRUE(ip("link set vb down"));
  EXPECT_TRUE(soon([] { return is_free("vb"); })) << "one that went down";
  EXPECT_FALSE(is_free("va"));
}

/// A client at va-far and a peer behind `out`-far; where the kernel relays nothing, we are the sockets.
struct FlowByXdp : OffloadingByXdp {
  void start(const char* peer, const char* relay, const char* out) {
    ASSERT_TRUE(ip("neigh add 198.51.100.7 lladdr 02:00:00:00:00:07 dev va nud permanent"));
    flow.peer = ep(peer);
    flow.relay = ep(relay);
    flow.channel = kChannel;
    flow.tuple = {ep("198.51.100.7:7000"), ep("198.51.100.1:3478"), turn::Transport::Udp};
    flow.until = kernel_now() + std::chrono::minutes(5);
    ASSERT_TRUE(ip("neigh add " + flow.peer.address.to_string() + " lladdr 02:00:00:00:00:09 dev " + out +
                   " nud permanent"));
    attach();
    const auto there = ethernet_devices();
    for (const Device& device : *there) {
      if (device.name == "va") client_side = device.address;
      if (device.name == out) peer_side = device.address;
    }
    near.emplace(flow.tuple.server);
    relayed.emplace(flow.relay);
    at_client.emplace("va-far");
    at_peer.emplace((std::string(out) + "-far").c_str());
    offload->apply({&flow, 1});
    ASSERT_TRUE(soon([&] { return offload->counters().flows == 1; }));
    // Both directions are proven by what the sockets make of them.
    ASSERT_TRUE(soon([&] { return up(Bytes(9, 1)); }));
    ASSERT_TRUE(soon([&] { return down(Bytes(9, 1)); }));
  }
  static Bytes channel_data(const Bytes& payload) {
    Bytes out(4);
    store_be16(out.data(), kChannel);
    store_be16(out.data() + 2, static_cast<std::uint16_t>(payload.size()));
    out.insert(out.end(), payload.begin(), payload.end());
    return out;
  }
  static Bytes frame(const Datagram& d, const EthernetAddress& to) {
    Bytes out = frame_of(d);
    std::copy(to.begin(), to.end(), out.begin());
    out[6] = 2;
    return out;
  }
  /// Whether the kernel relays it, unchanged.
  bool up(const Bytes& payload) {
    at_client->write(frame({flow.tuple.client, flow.tuple.server, channel_data(payload)}, client_side));
    const auto got = at_peer->read(flow.relay, flow.peer, 200);
    if (!got) relayed->send(flow.peer, payload);
    if (!got) at_peer->read(flow.relay, flow.peer, 200);
    if (got) {
      EXPECT_TRUE(got->checksum_good && got->datagram.payload == payload && got->datagram.ttl == 63);
    }
    return got.has_value();
  }
  bool down(const Bytes& payload) {
    at_peer->write(frame({flow.peer, flow.relay, payload}, peer_side));
    const auto got = at_client->read(flow.tuple.server, flow.tuple.client, 200);
    if (!got) near->send(flow.tuple.client, channel_data(payload));
    if (!got) at_client->read(flow.tuple.server, flow.tuple.client, 200);
    if (got) {
      EXPECT_TRUE(got->checksum_good && got->datagram.payload == channel_data(payload) &&
                  got->datagram.ttl == 63);
    }
    return got.has_value();
  }
  void relays_and_ends() {
    // Without tc's program at the way in: until it is missed, some seconds later.
    static_cast<void>(std::system("tc filter del dev va ingress; tc filter del dev vb ingress"));
    const Counters before = offload->counters();
    std::uint64_t packets[2] = {0, 0};
    std::uint64_t bytes[2] = {0, 0};
    constexpr std::uint64_t kSizes = 30;
    for (std::size_t i = 0; i < kSizes; ++i) {
      const Bytes payload(i * 40, static_cast<std::uint8_t>(i));
      const bool went[2] = {up(payload), down(payload)};
      for (int way = 0; way < 2; ++way) {
        packets[way] += went[way] ? 1 : 0;
        bytes[way] += went[way] ? payload.size() : 0;
      }
    }
    const Counters after = offload->counters();
    EXPECT_EQ(after.to_peer_packets - before.to_peer_packets, packets[0]);
    EXPECT_EQ(after.to_client_packets - before.to_client_packets, packets[1]);
    EXPECT_EQ(after.to_peer_bytes - before.to_peer_bytes, bytes[0]);
    EXPECT_EQ(after.to_client_bytes - before.to_client_bytes, bytes[1]);
    // The sockets show now and then that nothing changes their packets.
    EXPECT_GE(std::min(packets[0], packets[1]), kSizes - 3);

    flow.until = kernel_now() + std::chrono::milliseconds(20);
    offload->apply({&flow, 1});
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_FALSE(up(Bytes(9, 1))) << "it has expired";
    EXPECT_FALSE(down(Bytes(9, 1)));
    flow.ended = true;
    offload->apply({&flow, 1});
    EXPECT_GE(flow.to_peer.packets, packets[0]);
    EXPECT_EQ(offload->counters().flows, 0U);
  }

  turn::Flow flow;
  EthernetAddress client_side{};
  EthernetAddress peer_side{};
  std::optional<Socket> near;
  std::optional<Socket> relayed;
  std::optional<Wire> at_client;
  std::optional<Wire> at_peer;
};

TEST_F(FlowByXdp, GoesFromOneDeviceToAnother) {
  const Passing one("va-far");
  const Passing other("vb-far");
  start("203.0.113.9:9000", "203.0.113.1:50000", "vb");
  if (HasFatalFailure()) return;
  if (!warnings.empty()) GTEST_SKIP() << warnings[0];  // a kernel that cannot say what a veth sends
  relays_and_ends();
}

TEST_F(FlowByXdp, GoesBackByTheSameDevice) {
  const Passing one("va-far");
  const Passing other("vb-far");
  start("198.51.100.9:9000", "198.51.100.1:50000", "va");
  if (HasFatalFailure()) return;
  if (!warnings.empty()) GTEST_SKIP() << warnings[0];
  relays_and_ends();
}

/// Where XDP cannot send, tc does.
TEST_F(FlowByXdp, IsTcsWhereXdpCannotSend) {
  const Passing one("va-far");
  start("203.0.113.9:9000", "203.0.113.1:50000", "vb");
  if (HasFatalFailure()) return;
  EXPECT_THAT(warnings, ::testing::Contains(HasSubstr("vb (veth)")));
  EXPECT_TRUE(soon([&] { return up(Bytes(100, 7)) && down(Bytes(100, 7)); }));
}

TEST_F(OffloadingByXdp, NeedsTwoCapabilities) {
  const pid_t child = ::fork();
  if (child == 0) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    data[0].effective = data[0].permitted = 1U << CAP_NET_ADMIN;
    data[1].effective = data[1].permitted = 1U << (CAP_BPF - 32);
    if (::syscall(SYS_capset, &header, data.data()) != 0) ::_exit(2);
    const auto devices = attach();
    const bool all = devices == std::vector<std::string>{"va (xdp)", "vb (xdp)"};
    for (const std::string& warning : warnings) std::fprintf(stderr, "%s\n", warning.c_str());
    ::_exit(all ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace ts::offload::testing

#endif
