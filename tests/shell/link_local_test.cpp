// SPDX-License-Identifier: Apache-2.0
// IPv6 link-local clients, over a virtual cable in a network namespace of the test's own. Needs root.
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>

#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

/// A namespace for this thread, and for threads that it starts, while it lives.
class Namespace {
 public:
  Namespace() : before_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    entered_ = before_ >= 0 && ::unshare(CLONE_NEWNET) == 0;
  }
  ~Namespace() {
    if (entered_ && ::setns(before_, CLONE_NEWNET) != 0) std::abort();
    if (before_ >= 0) ::close(before_);
  }
  bool entered() const { return entered_; }

 private:
  int before_;
  bool entered_ = false;
};

bool lay_cable() {
  return std::system(
             "ip link set lo up && ip link add name tsa type veth peer name tsb && "
             "ip link set tsa addrgenmode none && ip link set tsb addrgenmode none && "
             "ip link set tsa up && ip link set tsb up && "
             "ip addr add fe80::a/64 dev tsa nodad && ip addr add fe80::b/64 dev tsb nodad") == 0;
}

sockaddr_in6 scoped(const Endpoint& endpoint, const char* interface) {
  SocketAddress address(endpoint);
  sockaddr_in6 out{};
  std::memcpy(&out, address.get(), sizeof out);
  out.sin6_scope_id = ::if_nametoindex(interface);
  return out;
}

TEST(LinkLocal, ClientsAreAnsweredOverUdpAndTcp) {
  const Namespace own;
  if (!own.entered()) GTEST_SKIP() << "network namespaces need root";
  if (!lay_cable()) GTEST_SKIP() << "no ip command, or no virtual cables";
  config::Config config = loopback_config(2);
  config.net.bind.clear();
  config.turn.relay_addresses = {{*IpAddress::parse("127.0.0.1"), *IpAddress::parse("127.0.0.1")}};
  const Server server(std::move(config));
  const sockaddr_in6 to = scoped(server.turn("fe80::b"), "tsa");
  const sockaddr_in6 from = scoped(at("fe80::a"), "tsa");
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    SCOPED_TRACE(type == SOCK_DGRAM ? "udp" : "tcp");
    const int fd = ::socket(AF_INET6, type | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from), 0);
    ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    Bytes request(64);
    stun::MessageBuilder b(request, MessageClass::Request, Method::Binding, stun::TransactionId{1});
    request.resize(b.finish().size());
    ASSERT_GT(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), 0);
    pollfd p{fd, POLLIN, 0};
    EXPECT_EQ(::poll(&p, 1, static_cast<int>(kPatience.count())), 1);
    Bytes answer(1500);
    const auto got = ::recv(fd, answer.data(), answer.size(), MSG_DONTWAIT);
    ::close(fd);
    ASSERT_GT(got, 0);
    answer.resize(static_cast<std::size_t>(got));
    const auto message = stun::MessageView::parse(answer);
    ASSERT_TRUE(message);
    const auto value = message->find(AttributeType::XorMappedAddress);
    ASSERT_TRUE(value);
    EXPECT_EQ(stun::decode_xor_address(*value, message->transaction_id())->address,
              IpAddress::parse("fe80::a"));
  }
}

/// What a request to the admin API over the cable is answered.
std::string admin_answer(std::uint16_t port) {
  const sockaddr_in6 to = scoped(at("fe80::b", port), "tsa");
  const sockaddr_in6 from = scoped(at("fe80::a"), "tsa");
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from);
  ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  const std::string request = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  ::send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  pollfd p{fd, POLLIN, 0};
  std::string out(1500, '\0');
  const bool answered = ::poll(&p, 1, static_cast<int>(kPatience.count())) == 1;
  const auto got = answered ? ::recv(fd, out.data(), out.size(), MSG_DONTWAIT) : 0;
  ::close(fd);
  out.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return out;
}

TEST(LinkLocal, TheAdminApiAnswersAndLosesNoDescriptors) {
  const Namespace own;
  if (!own.entered()) GTEST_SKIP() << "network namespaces need root";
  if (!lay_cable()) GTEST_SKIP() << "no ip command, or no virtual cables";
  config::Config config = loopback_config(1);
  config.admin.token = "a-token-of-the-operators";
  config.admin.bind = *IpAddress::parse("::");
  config.admin.port = 0;
  const Server server(std::move(config));
  EXPECT_NE(admin_answer(server.runtime->ports().admin).find(" 401 "), std::string::npos);
}

}  // namespace
}  // namespace ts::shell_test
