// SPDX-License-Identifier: Apache-2.0
// The peer policy: IANA's special-purpose registries, forms that hide an IPv4 address, rules, own addresses.
#include <array>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include <turnstone/turn/peer_policy.hpp>

namespace ts::turn {
namespace {

IpAddress ip(const std::string& text) { return IpAddress::parse(text).value(); }
Endpoint ep(const std::string& text) { return Endpoint::parse(text).value(); }
IpNetwork net(const std::string& text) { return IpNetwork::parse(text).value(); }

Options options() {
  Options out;
  out.relay_addresses = {{ip("198.41.0.4"), ip("10.1.2.3")}, {ip("2620:fe::9"), ip("2620:fe::9")}};
  out.ports = {50000, 50999};
  out.peers.own_addresses = {ip("198.41.0.4"), ip("198.41.0.5"), ip("2620:fe::9"), ip("2620:fe::10")};
  return out;
}

using Verdict = std::optional<Denial>;
constexpr Verdict kAllowed;

struct Row {
  const char* address;
  Verdict verdict;
};

void expect_verdicts(std::initializer_list<Row> rows) {
  const PeerPolicy policy(options());
  for (const Row& row : rows) EXPECT_EQ(policy.check(ip(row.address)), row.verdict) << row.address;
}

TEST(PeerPolicy, RangeEdgesV4) {
  expect_verdicts({
      {"0.0.0.0", Denial::SpecialPurpose},
      {"0.255.255.255", Denial::SpecialPurpose},
      {"1.0.0.0", kAllowed},
      {"9.255.255.255", kAllowed},
      {"10.0.0.0", Denial::Private},
      {"10.255.255.255", Denial::Private},
      {"11.0.0.0", kAllowed},
      {"100.63.255.255", kAllowed},
      {"100.64.0.0", Denial::Private},
      {"100.127.255.255", Denial::Private},
      {"100.128.0.0", kAllowed},
      {"126.255.255.255", kAllowed},
      {"127.0.0.0", Denial::Loopback},
      {"127.255.255.255", Denial::Loopback},
      {"128.0.0.0", kAllowed},
      {"169.253.255.255", kAllowed},
      {"169.254.0.0", Denial::LinkLocal},
      {"169.254.169.254", Denial::LinkLocal},
      {"169.254.255.255", Denial::LinkLocal},
      {"169.255.0.0", kAllowed},
      {"172.15.255.255", kAllowed},
      {"172.16.0.0", Denial::Private},
      {"172.31.255.255", Denial::Private},
      {"172.32.0.0", kAllowed},
      {"191.255.255.255", kAllowed},
      {"192.0.0.0", Denial::SpecialPurpose},
      {"192.0.0.255", Denial::SpecialPurpose},
      {"192.0.1.0", kAllowed},
      {"192.0.1.255", kAllowed},
      {"192.0.2.0", Denial::SpecialPurpose},
      {"192.0.2.255", Denial::SpecialPurpose},
      {"192.0.3.0", kAllowed},
      {"192.31.195.255", kAllowed},
      {"192.31.196.0", Denial::SpecialPurpose},
      {"192.31.196.255", Denial::SpecialPurpose},
      {"192.31.197.0", kAllowed},
      {"192.52.192.255", kAllowed},
      {"192.52.193.0", Denial::SpecialPurpose},
      {"192.52.193.255", Denial::SpecialPurpose},
      {"192.52.194.0", kAllowed},
      {"192.88.98.255", kAllowed},
      {"192.88.99.0", Denial::SpecialPurpose},
      {"192.88.99.255", Denial::SpecialPurpose},
      {"192.88.100.0", kAllowed},
      {"192.167.255.255", kAllowed},
      {"192.168.0.0", Denial::Private},
      {"192.168.255.255", Denial::Private},
      {"192.169.0.0", kAllowed},
      {"192.175.47.255", kAllowed},
      {"192.175.48.0", Denial::SpecialPurpose},
      {"192.175.48.255", Denial::SpecialPurpose},
      {"192.175.49.0", kAllowed},
      {"198.17.255.255", kAllowed},
      {"198.18.0.0", Denial::SpecialPurpose},
      {"198.19.255.255", Denial::SpecialPurpose},
      {"198.20.0.0", kAllowed},
      {"198.51.99.255", kAllowed},
      {"198.51.100.0", Denial::SpecialPurpose},
      {"198.51.100.255", Denial::SpecialPurpose},
      {"198.51.101.0", kAllowed},
      {"203.0.112.255", kAllowed},
      {"203.0.113.0", Denial::SpecialPurpose},
      {"203.0.113.255", Denial::SpecialPurpose},
      {"203.0.114.0", kAllowed},
      {"223.255.255.255", kAllowed},
      {"224.0.0.0", Denial::Multicast},
      {"239.255.255.255", Denial::Multicast},
      {"240.0.0.0", Denial::SpecialPurpose},
      {"255.255.255.255", Denial::SpecialPurpose},
  });
}

TEST(PeerPolicy, RangeEdgesV6) {
  expect_verdicts({
      {"::", Denial::SpecialPurpose},
      {"::1", Denial::Loopback},
      {"64:ff9b:0:ffff:ffff:ffff:ffff:ffff", kAllowed},
      {"64:ff9b:1::", Denial::SpecialPurpose},
      {"64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Denial::SpecialPurpose},
      {"64:ff9b:2::", kAllowed},
      {"ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kAllowed},
      {"100::", Denial::SpecialPurpose},
      {"100:0:0:1:ffff:ffff:ffff:ffff", Denial::SpecialPurpose},
      {"100:0:0:2::", kAllowed},
      {"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kAllowed},
      {"2001::", Denial::SpecialPurpose},
      {"2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Denial::SpecialPurpose},
      {"2001:200::", kAllowed},
      {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", kAllowed},
      {"2001:db8::", Denial::SpecialPurpose},
      {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Denial::SpecialPurpose},
      {"2001:db9::", kAllowed},
      {"2002::", Denial::SpecialPurpose},
      {"2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Denial::SpecialPurpose},
      {"2003::", kAllowed},
      {"2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", kAllowed},
      {"2620:4f:8000::", Denial::SpecialPurpose},
      {"2620:4f:8000:ffff:ffff:ffff:ffff:ffff", Denial::SpecialPurpose},
      {"2620:4f:8001::", kAllowed},
      {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kAllowed},
      {"3fff::", Denial::SpecialPurpose},
      {"3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Denial::SpecialPurpose},
      {"3fff:1000::", kAllowed},
      {"5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kAllowed},
      {"5f00::", Denial::SpecialPurpose},
      {"5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Denial::SpecialPurpose},
      {"5f01::", kAllowed},
      {"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kAllowed},
      {"fc00::", Denial::Private},
      {"fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Denial::Private},
      {"fe00::", kAllowed},
      {"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kAllowed},
      {"fe80::", Denial::LinkLocal},
      {"febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Denial::LinkLocal},
      {"fec0::", Denial::SpecialPurpose},
      {"feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Denial::SpecialPurpose},
      {"ff00::", Denial::Multicast},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Denial::Multicast},
  });
}

/// The forms of an IPv4 address that lead to it.
std::array<IpAddress, 7> forms_of(const IpAddress& v4) {
  const ByteView b = v4.bytes();
  const auto make = [&](std::array<std::uint8_t, 16> bytes, std::size_t at, std::uint8_t mask = 0) {
    for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = b[i] ^ mask;
    return IpAddress::from_bytes(bytes);
  };
  return {make({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 12),
          make({}, 12),
          make({0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 12),
          make({0, 0x64, 0xFF, 0x9B}, 12),
          make({0, 0x64, 0xFF, 0x9B, 0, 1}, 12),
          make({0x20, 0x02}, 2),
          make({0x20, 0x01}, 12, 0xFF)};
}

TEST(PeerPolicy, EveryFormOfAnAddressIsReduced) {
  for (const char* text : {"10.0.0.1", "8.8.8.8", "127.0.0.1", "255.255.255.255"}) {
    for (const IpAddress& form : forms_of(ip(text)))
      EXPECT_EQ(embedded_v4(form), ip(text)) << form.to_string();
  }
  for (const char* plain : {"10.0.0.1", "::", "::1", "2001:200::1", "fe80::1", "2620:fe::1"}) {
    EXPECT_EQ(embedded_v4(ip(plain)), std::nullopt) << plain;
  }
}

TEST(PeerPolicy, NoFormOfADeniedAddressPasses) {
  Options dev = options();
  dev.peers.allow_private = true;
  dev.peers.deny = {net("1.2.3.0/24")};
  Options lenient = options();  // even when the form's own range is opened
  lenient.peers.allow = {net("::/0")};
  const PeerPolicy strict(options());
  const PeerPolicy development(dev);
  const PeerPolicy opened(lenient);
  for (const char* text : {"10.0.0.1", "127.0.0.1", "192.168.1.1", "169.254.169.254", "224.0.0.1", "0.0.0.5",
                           "255.255.255.255", "198.41.0.5"}) {
    for (const IpAddress& form : forms_of(ip(text))) {
      EXPECT_TRUE(strict.check(form)) << form.to_string();
      EXPECT_TRUE(opened.check(form)) << form.to_string();
    }
  }
  for (const char* text : {"169.254.169.254", "224.0.0.1", "0.0.0.5", "1.2.3.4"}) {
    for (const IpAddress& form : forms_of(ip(text))) EXPECT_TRUE(development.check(form)) << form.to_string();
  }
}

TEST(PeerPolicy, FormsOfAnAllowedAddressPassWhereTheirRangeIsOpen) {
  const PeerPolicy policy(options());
  const auto forms = forms_of(ip("8.8.8.8"));
  for (const std::size_t open : {0U, 1U, 2U, 3U}) EXPECT_FALSE(policy.check(forms[open])) << open;
  for (const std::size_t closed : {4U, 5U, 6U}) {
    EXPECT_EQ(policy.check(forms[closed]), Denial::SpecialPurpose) << closed;
  }
}

TEST(PeerPolicy, DenyWinsOverAllowAndAllowOverTheTable) {
  Options o = options();
  o.peers.allow = {net("10.0.0.0/8"), net("fd00::/8"), net("198.41.0.5/32")};
  o.peers.deny = {net("10.66.0.0/16"), net("9.9.9.9/32"), net("fd66::/16")};
  const PeerPolicy policy(o);
  EXPECT_EQ(policy.check(ip("10.0.0.1")), kAllowed);
  EXPECT_EQ(policy.check(ip("::ffff:10.0.0.1")), kAllowed);
  EXPECT_EQ(policy.check(ip("10.66.0.1")), Denial::DeniedByRule);
  EXPECT_EQ(policy.check(ip("::ffff:10.66.0.1")), Denial::DeniedByRule);
  EXPECT_EQ(policy.check(ip("64:ff9b::a42:1")), Denial::DeniedByRule);
  EXPECT_EQ(policy.check(ip("9.9.9.9")), Denial::DeniedByRule);
  EXPECT_EQ(policy.check(ip("9.9.9.8")), kAllowed);
  EXPECT_EQ(policy.check(ip("fd00::1")), kAllowed);
  EXPECT_EQ(policy.check(ip("fd66::1")), Denial::DeniedByRule);
  EXPECT_EQ(policy.check(ip("192.168.0.1")), Denial::Private);
  EXPECT_EQ(policy.check(ip("198.41.0.5")), kAllowed);
}

TEST(PeerPolicy, DevelopmentOpensLoopbackAndPrivateOnly) {
  Options o = options();
  o.peers.allow_private = true;
  const PeerPolicy policy(o);
  for (const char* open : {"127.0.0.1", "::1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1",
                           "fd00::1", "::ffff:127.0.0.1"}) {
    EXPECT_EQ(policy.check(ip(open)), kAllowed) << open;
  }
  for (const char* closed : {"169.254.169.254", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "fe80::1"}) {
    EXPECT_TRUE(policy.check(ip(closed))) << closed;
  }
}

TEST(PeerPolicy, OwnAddressesAreDeniedButForRelayedTransportAddresses) {
  const PeerPolicy policy(options());
  EXPECT_EQ(policy.check(ip("198.41.0.5")), Denial::OwnAddress);
  EXPECT_EQ(policy.check(ip("2620:fe::10")), Denial::OwnAddress);
  EXPECT_EQ(policy.check(ip("198.41.0.4")), kAllowed);
  for (const char* relay : {"198.41.0.4", "10.1.2.3"}) {  // also behind 1:1 NAT, where `local` is private
    const std::string address(relay);
    EXPECT_EQ(policy.check(ep(address + ":50000")), kAllowed) << relay;
    EXPECT_EQ(policy.check(ep(address + ":50999")), kAllowed) << relay;
    EXPECT_EQ(policy.check(ep(address + ":49999")), Denial::OwnAddress) << relay;
    EXPECT_EQ(policy.check(ep(address + ":51000")), Denial::OwnAddress) << relay;
    EXPECT_EQ(policy.check(ep("[::ffff:" + address + "]:22")), Denial::OwnAddress) << relay;
  }
  EXPECT_EQ(policy.check(ep("[2620:fe::9]:50500")), kAllowed);
  EXPECT_EQ(policy.check(ep("[2620:fe::9]:22")), Denial::OwnAddress);
  EXPECT_EQ(policy.check(ep("10.1.2.4:50000")), Denial::Private);
}

TEST(PeerPolicy, OwnEndpointsAreClosedWhateverIsAllowed) {
  Options o = options();
  o.peers.allow_private = true;
  o.peers.allow = {net("0.0.0.0/0"), net("::/0")};
  o.peers.own_endpoints = {ep("0.0.0.0:3478"), ep("127.0.0.1:9090"), ep("10.7.7.7:6379"), ep("[::1]:9091")};
  for (const bool allow_private : {true, false}) {
    o.peers.allow_private = allow_private;
    const PeerPolicy policy(o);
    for (const char* closed :
         {"198.41.0.4:3478", "198.41.0.5:3478", "10.1.2.3:3478", "127.0.0.1:3478", "127.1.2.3:3478",
          "[::1]:3478", "127.0.0.1:9090", "[::ffff:127.0.0.1]:9090", "10.7.7.7:6379", "[::1]:9091"}) {
      EXPECT_EQ(policy.check(ep(closed)), Denial::OwnEndpoint) << closed << allow_private;
      EXPECT_EQ(policy.check_port(ep(closed)), Denial::OwnEndpoint) << closed << allow_private;
    }
    for (const char* open : {"8.8.8.8:3478", "127.0.0.1:9999", "10.7.7.7:6380", "127.0.0.2:9090"}) {
      EXPECT_EQ(policy.check(ep(open)), kAllowed) << open << allow_private;
    }
  }
}

// Behind 1:1 NAT what is bound to the one is reached by the other.
TEST(PeerPolicy, AListenerOnARelayAddressIsClosedByBothItsNames) {
  for (const char* bound : {"10.1.2.3:50100", "198.41.0.4:50100"}) {
    Options o = options();
    o.peers.own_endpoints = {ep(bound)};
    const PeerPolicy policy(o);
    EXPECT_EQ(policy.check(ep("10.1.2.3:50100")), Denial::OwnEndpoint) << bound;
    EXPECT_EQ(policy.check(ep("198.41.0.4:50100")), Denial::OwnEndpoint) << bound;
    EXPECT_EQ(policy.check(ep("198.41.0.4:50101")), kAllowed) << bound;
    EXPECT_EQ(policy.check(ep("8.8.8.8:50100")), kAllowed) << bound;
  }
}

}  // namespace
}  // namespace ts::turn
