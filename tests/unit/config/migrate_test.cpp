// SPDX-License-Identifier: Apache-2.0
// A turnserver.conf becomes a configuration: each option is carried over or told, and what comes out is
// accepted.
#include <set>

#include <turnstone/config/migrate.hpp>
#include <turnstone/config/schema.hpp>

#include "../../../src/config/migrate/draft.hpp"
#include "helpers.hpp"

namespace ts::config {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::SizeIs;

FileText pem(const std::string&) { return {"-----BEGIN CERTIFICATE-----\n", ""}; }

LoadResult loaded(const Migration& moved) { return load(moved.yaml, "new.yaml", {}, {}, pem); }

/// What comes of a file that has a credential besides.
Config moved(const std::string& text) {
  const Migration out = migrate_coturn("static-auth-secret=s3cr3t-one\n" + text, "turnserver.conf");
  const LoadResult result = loaded(out);
  EXPECT_TRUE(result.ok()) << to_text(result.problems) << out.yaml;
  return result.config;
}

std::vector<std::string> remarks(const std::string& text) {
  std::vector<std::string> out;
  for (const MigrationRemark& each :
       migrate_coturn("user=a:b\nallowed-peer-ip=9.9.9.9\n" + text, "t.conf").remarks)
    out.push_back(each.to_string("t.conf"));
  return out;
}

/// A value that the option may have.
std::string value_for(std::string_view name) {
  static const std::map<std::string, std::string, std::less<>> kValues = {
      {"user", "alice:pw"},
      {"static-auth-secret", "north"},
      {"realm", "example.org"},
      {"listening-ip", "192.0.2.1"},
      {"relay-ip", "192.0.2.1"},
      {"external-ip", "198.51.100.1/192.0.2.1"},
      {"min-port", "50000"},
      {"max-port", "50999"},
      {"cert", "/etc/c.pem"},
      {"pkey", "/etc/k.pem"},
      {"denied-peer-ip", "10.0.0.0-10.0.0.255"},
      {"allowed-peer-ip", "10.1.0.1"},
      {"alternate-server", "192.0.2.9"},
      {"server-name", "turn.example.org"},
      {"rest-api-separator", "|"}};
  const auto found = kValues.find(name);
  return found == kValues.end() ? "3000" : found->second;
}

// Every key that the table names is one of ours, and every option has a word to say or something to do.
TEST(CoturnOptions, NameOurKeys) {
  std::set<std::string_view> known;
  for (const KeyInfo& key : keys()) known.insert(key.path);
  std::set<std::string_view> names;
  for (const CoturnRow& row : coturn_rows()) {
    const CoturnOption& option = row.option;
    EXPECT_TRUE(names.insert(option.name).second) << option.name << " is there twice";
    EXPECT_FALSE(option.note.empty()) << option.name;
    std::string_view rest = option.becomes;
    while (!rest.empty()) {
      const std::size_t stop = std::min(rest.find(", "), rest.size());
      EXPECT_TRUE(known.contains(rest.substr(0, stop))) << option.name << ": " << rest.substr(0, stop);
      rest.remove_prefix(std::min(stop + 2, rest.size()));
    }
  }
  EXPECT_GE(names.size(), 110U);
}

// Alone, with a value: the result is accepted; it differs from that of an empty file, or there is a remark,
// or the option asks for what is so anyway.
TEST(CoturnOptions, EachIsCarriedOrTold) {
  for (const CoturnRow& row : coturn_rows()) {
    const std::string name(row.option.name);
    SCOPED_TRACE(name);
    const Migration out = migrate_coturn(name + '=' + value_for(name) + '\n', "t.conf");
    EXPECT_TRUE(loaded(out).ok()) << to_text(loaded(out).problems) << out.yaml;
    bool told = false;
    for (const MigrationRemark& remark : out.remarks) {
      told = told || remark.option == name;
      EXPECT_THAT(remark.text, Not(HasSubstr("unknown")));
    }
    if (row.tells) {
      EXPECT_TRUE(told);
    }
    if (row.carry == nullptr && !row.tells) {
      EXPECT_THAT(row.option.note,
                  testing::AnyOf(HasSubstr("always"), HasSubstr("unless"), HasSubstr("answer"),
                                 HasSubstr("nothing"), HasSubstr("no telnet")));
    }
  }
}

TEST(Coturn, SimpleValues) {
  const Config c = moved(R"(
listening-port=3479
tls-listening-port=443
min-port=50000
max-port=50999
realm="example.org"
user-quota=12
total-quota=1200
max-bps=64000
bps-capacity=0
relay-threads=0
stale-nonce
max-allocate-lifetime=300
mobility
no-tcp-relay
no-tcp=off
verbose
cert=/etc/ssl/turn.pem
pkey  /etc/ssl/turn.key
)");
  EXPECT_EQ(c.net.port, 3479);
  EXPECT_EQ(c.net.tls_port, 443);
  EXPECT_EQ(c.turn.ports.low, 50000);
  EXPECT_EQ(c.turn.ports.high, 50999);
  EXPECT_EQ(c.auth.realm, "example.org");
  EXPECT_EQ(c.net.threads, 1U);
  EXPECT_EQ(c.auth.nonce_lifetime.count(), 600);
  EXPECT_EQ(c.turn.max_lifetime.count(), 300);
  EXPECT_EQ(c.turn.default_lifetime.count(), 300);
  EXPECT_TRUE(c.net.tcp);
  EXPECT_EQ(c.log.level, LogLevel::Debug);
  EXPECT_EQ(c.net.tls_cert_file, "/etc/ssl/turn.pem");
  EXPECT_EQ(c.net.tls_key_file, "/etc/ssl/turn.key");
  const std::string printed = print(c);
  // 64,000 bytes a second in each direction.
  EXPECT_THAT(printed, AllOf(HasSubstr("max_bit_rate_per_allocation: 1024kbit"), HasSubstr("max_bit_rate: 0"),
                             HasSubstr("mobility: true"), HasSubstr("max_allocations_per_user: 12"),
                             HasSubstr("max_allocations: 1200")));
}

TEST(Coturn, CredentialsAreCarriedAndNeverTold) {
  const std::string text =
      "user=alice:p\"ss\\w\nuser=bob:0xbc807ee29df3c9ffa736523fb2c4e8ee\nstatic-auth-secret=north\n";
  const Migration out = migrate_coturn(text, "t.conf");
  const LoadResult result = loaded(out);
  ASSERT_TRUE(result.ok()) << to_text(result.problems);
  EXPECT_THAT(result.config.auth.secrets, ElementsAre("north"));
  EXPECT_THAT(out.yaml, HasSubstr(R"("alice:p\"ss\\w")"));
  EXPECT_THAT(out.yaml, Not(HasSubstr("bc807ee")));
  for (const MigrationRemark& remark : out.remarks) {
    EXPECT_THAT(remark.text, Not(testing::AnyOf(HasSubstr("north"), HasSubstr("0xbc"), HasSubstr("p\"ss"))));
  }
  EXPECT_THAT(remarks(text),
              Contains(AllOf(HasSubstr("t.conf:4: user"), HasSubstr("a key in place of the password"))));
}

// Nobody is relayed without credentials; the file is accepted all the same, and says what to add.
TEST(Coturn, WithoutCredentialsTheRelayIsOff) {
  for (const char* text : {"", "no-auth\n", "use-auth-secret\nlt-cred-mech\n"}) {
    const Migration out = migrate_coturn(text, "t.conf");
    ASSERT_TRUE(loaded(out).ok());
    EXPECT_FALSE(loaded(out).config.turn.enabled);
    EXPECT_THAT(out.yaml, HasSubstr("relay.enabled is false since"));
  }
}

struct RelayCase {
  const char* text;
  const char* relay;
};
TEST(Coturn, RelayAddresses) {
  const RelayCase table[] = {
      {"relay-ip=192.0.2.1\n", "addresses: [\"192.0.2.1\"]"},
      {"external-ip=198.51.100.1/10.0.0.5\n", "addresses: [\"198.51.100.1/10.0.0.5\"]"},
      {"external-ip=198.51.100.1\nrelay-ip=10.0.0.6\n", "addresses: [\"198.51.100.1/10.0.0.6\"]"},
      {"listening-ip=10.0.0.7\nexternal-ip=198.51.100.1\n", "addresses: [\"198.51.100.1/10.0.0.7\"]"},
      {"external-ip=198.51.100.1\n", "addresses: [\"198.51.100.1\"]"},
      {"relay-ip=192.0.2.1\nrelay-ip=192.0.2.2\nrelay-ip=2001:db8::5\n",
       "addresses: [\"192.0.2.1\", \"2001:db8::5\"]"},
  };
  for (const RelayCase& c : table) {
    SCOPED_TRACE(c.text);
    const Migration out = migrate_coturn("user=a:b\n" + std::string(c.text), "t.conf");
    EXPECT_THAT(out.yaml, HasSubstr(c.relay));
    EXPECT_TRUE(loaded(out).ok()) << to_text(loaded(out).problems);
  }
  EXPECT_THAT(remarks("relay-ip=192.0.2.1\nrelay-ip=192.0.2.2\n"),
              Contains(HasSubstr("one address a family")));
  EXPECT_THAT(remarks("external-ip=198.51.100.1\n"), Contains(HasSubstr("write PUBLIC/LOCAL")));
}

// coturn: allowed wins over denied. Here denied wins, so that what is allowed is cut out of it.
TEST(Coturn, AllowedPeersAreCutOutOfDeniedOnes) {
  const Migration out = migrate_coturn(
      "user=a:b\ndenied-peer-ip=10.0.0.0-10.0.0.255\nallowed-peer-ip=10.0.0.5\nallowed-peer-ip=10.0.0.128-10."
      "0.0.255\n",
      "t.conf");
  const LoadResult result = loaded(out);
  ASSERT_TRUE(result.ok()) << to_text(result.problems);
  const auto denied = [&](const char* text) {
    bool in = false;
    for (const IpNetwork& network : result.config.turn.peers.deny)
      in = in || network.contains(*IpAddress::parse(text));
    return in;
  };
  EXPECT_TRUE(denied("10.0.0.4"));
  EXPECT_FALSE(denied("10.0.0.5"));
  EXPECT_TRUE(denied("10.0.0.6"));
  EXPECT_TRUE(denied("10.0.0.127"));
  EXPECT_FALSE(denied("10.0.0.128"));
  EXPECT_FALSE(denied("10.0.1.0"));
  EXPECT_THAT(result.config.turn.peers.allow, SizeIs(2));
}

std::string single_peers(const std::string& option, int count) {
  std::string out;
  for (int i = 0; i < count; ++i)
    out += option + "=9.9." + std::to_string(i / 256) + '.' + std::to_string(i % 256) + '\n';
  return out;
}

// A denial that is too long to carry over does not leave open what was closed.
TEST(Coturn, TooManyDeniedPeersSwitchTheRelayOff) {
  const std::string credential = "static-auth-secret=north\n";
  const LoadResult most = loaded(migrate_coturn(credential + single_peers("denied-peer-ip", 4096), "t.conf"));
  ASSERT_TRUE(most.ok()) << to_text(most.problems);
  EXPECT_TRUE(most.config.turn.enabled);
  EXPECT_THAT(most.config.turn.peers.deny, SizeIs(4096));

  const Migration out = migrate_coturn(credential + single_peers("denied-peer-ip", 4097), "t.conf");
  ASSERT_TRUE(loaded(out).ok()) << to_text(loaded(out).problems);
  EXPECT_FALSE(loaded(out).config.turn.enabled);
  EXPECT_THAT(out.yaml, HasSubstr("relay.enabled is false since denied-peer-ip"));
}

TEST(Coturn, TooManyAllowedPeersLeaveTheDeniedOnes) {
  const Migration out = migrate_coturn(
      "static-auth-secret=north\ndenied-peer-ip=8.8.8.8\n" + single_peers("allowed-peer-ip", 4097), "t.conf");
  const LoadResult result = loaded(out);
  ASSERT_TRUE(result.ok()) << to_text(result.problems);
  EXPECT_TRUE(result.config.turn.enabled);
  EXPECT_THAT(result.config.turn.peers.deny, SizeIs(1));
  EXPECT_THAT(result.config.turn.peers.allow, IsEmpty());
  EXPECT_THAT(out.yaml, HasSubstr("relay.allow_peers: too many networks"));
}

TEST(Coturn, WhatIsWrongIsLeftOutAndTold) {
  const std::vector<std::string> told = remarks(
      "frobnicate=7\nlistening-port=99999\nmin-port=x\nlistening-ip=eth0\nuser=nobody\ndenied-peer-ip=here\n"
      "realm=" +
      std::string(200, 'r') + "\nalternate-server=192.0.2.1\nalternate-server=192.0.2.2:99\n");
  EXPECT_THAT(
      told, IsSupersetOf(
                {HasSubstr("t.conf:3: frobnicate: unknown"), HasSubstr("t.conf:4: listening-port: left out"),
                 HasSubstr("t.conf:5: min-port: left out"), HasSubstr("t.conf:6: listening-ip: left out"),
                 HasSubstr("t.conf:7: user: left out"), HasSubstr("t.conf:8: denied-peer-ip: left out"),
                 HasSubstr("auth.realm is left out"), HasSubstr("t.conf:11: alternate-server: left out")}));
}

TEST(Coturn, ReadsLinesAsCoturnDoes) {
  const Config c = moved(
      "\t listening-port = 3481 \r\n# listening-port=1\n\n  --min-port\t50000\nrealm=\"a b\" # no comment\n");
  EXPECT_EQ(c.net.port, 3481);
  EXPECT_EQ(c.turn.ports.low, 50000);
  EXPECT_EQ(c.auth.realm, "a b");
}

TEST(Coturn, AnyBytesAreSurvived) {
  std::string hostile =
      "user=a:\xff\xfe\nrealm=\x01\x02\nstatic-auth-secret=\n=\n==\n-\nuser\n" + std::string(5000, '=');
  hostile += '\0';
  hostile += std::string("\nrealm=a\0b\n", 11);
  const Migration out = migrate_coturn(hostile, std::string(300, '\n'));
  EXPECT_TRUE(loaded(out).ok()) << to_text(loaded(out).problems) << out.yaml;
  std::string many;
  for (int i = 0; i < 3000; ++i) many += "x" + std::to_string(i) + "\n";
  EXPECT_THAT(migrate_coturn(many, "t").remarks, SizeIs(kMaxRemarks));
}

struct RangeCase {
  const char* text;
  std::vector<std::string> networks;
};
TEST(IpRanges, AreCoveredByTheFewestNetworks) {
  const RangeCase table[] = {
      {"10.0.0.0-10.0.0.255", {"10.0.0.0/24"}},
      {"10.0.0.1-10.0.0.6", {"10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"}},
      {"0.0.0.0-255.255.255.255", {"0.0.0.0/0"}},
      {"255.255.255.255", {"255.255.255.255/32"}},
      {"192.0.2.0/25", {"192.0.2.0/25"}},
      {"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", {"::/0"}},
      {"fc00:: - fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", {"fc00::/7"}},
  };
  for (const RangeCase& c : table) {
    SCOPED_TRACE(c.text);
    const auto range = IpRange::parse(c.text);
    ASSERT_TRUE(range);
    std::vector<std::string> found;
    for (const IpNetwork& network : networks_of(*range)) found.push_back(network.to_string());
    EXPECT_EQ(found, c.networks);
  }
  for (const char* bad : {"", "-", "10.0.0.2-10.0.0.1", "10.0.0.1-::1", "10.0.0.1/24", "host"})
    EXPECT_FALSE(IpRange::parse(bad)) << bad;
}

TEST(IpRanges, HolesAreCutOut) {
  const IpRange whole = *IpRange::parse("10.0.0.0-10.0.0.9");
  const auto texts = [&](const std::vector<std::string>& holes) {
    std::vector<IpRange> parsed;
    for (const std::string& hole : holes) parsed.push_back(*IpRange::parse(hole));
    std::vector<std::string> out;
    for (const IpRange& part : without(whole, parsed))
      out.push_back(part.first.to_string() + '-' + part.last.to_string());
    return out;
  };
  EXPECT_THAT(texts({}), ElementsAre("10.0.0.0-10.0.0.9"));
  EXPECT_THAT(texts({"10.0.0.0-10.0.0.9"}), IsEmpty());
  EXPECT_THAT(texts({"0.0.0.0-255.255.255.255"}), IsEmpty());
  EXPECT_THAT(texts({"10.0.0.3", "10.0.0.1-10.0.0.4", "::1"}),
              ElementsAre("10.0.0.0-10.0.0.0", "10.0.0.5-10.0.0.9"));
  EXPECT_THAT(texts({"10.0.0.8-10.0.1.0"}), ElementsAre("10.0.0.0-10.0.0.7"));
}

}  // namespace
}  // namespace ts::config
