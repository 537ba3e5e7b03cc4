// SPDX-License-Identifier: Apache-2.0
// Addresses, endpoints and networks: parsing and printing tables (RFC 4291 §2.2, RFC 5952), hashes.
#include <array>
#include <memory>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/base/address.hpp>

namespace ts {
namespace {

static_assert(std::is_trivially_copyable_v<IpAddress> && sizeof(IpAddress) == 17);
static_assert(std::is_trivially_copyable_v<Endpoint> && sizeof(Endpoint) == 20);

/// A text in a heap buffer of exactly its size, so that a sanitizer sees a read past its end.
class ExactText {
 public:
  explicit ExactText(std::string_view text) : size_(text.size()), data_(new char[text.size()]) {
    std::copy(text.begin(), text.end(), data_.get());
  }
  std::string_view view() const { return {data_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> data_;
};

struct Text {
  const char* in;
  const char* out;
};

TEST(IpAddress, PrintsTheCanonicalForm) {
  static constexpr Text kRows[] = {
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
      {"192.0.2.1", "192.0.2.1"},
      {"10.0.0.10", "10.0.0.10"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"0:0:0:0:0:0:0:0", "::"},
      {"0:0:0:0:0:0:0:1", "::1"},
      {"1:0:0:0:0:0:0:0", "1::"},
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
      // RFC 5952 §4.1: no leading zeros.
      {"2001:0db8::0001", "2001:db8::1"},
      {"2001:db8:0000:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      // §4.2.2: one zero group alone is not shortened.
      {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"},
      {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      // §4.2.1: as short as possible.
      {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
      {"2001:0:0:0:0:0:0:1", "2001::1"},
      // §4.2.3: the longest run, and the first of equal ones.
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"0:0:1:0:0:0:1:0", "0:0:1::1:0"},
      {"0:0:0:1:0:0:0:0", "0:0:0:1::"},
      {"0:0:0:0:1:0:0:0", "::1:0:0:0"},
      // §4.3: lower case.
      {"2001:DB8::ABCD:EF", "2001:db8::abcd:ef"},
      {"FE80::1", "fe80::1"},
      // §5: only known prefixes with a dotted quad; IPv4-compatible addresses are not such.
      {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
      {"::ffff:c000:201", "::ffff:192.0.2.1"},
      {"::FFFF:0:0", "::ffff:0.0.0.0"},
      {"::192.0.2.1", "::c000:201"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
      {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
      {"::ffff:0:1.2.3.4", "::ffff:0:102:304"},
      {"1::1.2.3.4", "1::102:304"},
  };
  for (const Text& row : kRows) {
    SCOPED_TRACE(row.in);
    const auto address = IpAddress::parse(ExactText(row.in).view());
    ASSERT_TRUE(address.has_value());
    EXPECT_EQ(address->to_string(), row.out);
    EXPECT_EQ(IpAddress::parse(row.out), address) << "the printed form reads back";
    EXPECT_EQ(IpAddress::from_bytes(address->bytes()), *address);
    EXPECT_EQ(address->bytes().size(), address->is_v4() ? 4U : 16U);
  }
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
  static constexpr std::string_view kRows[] = {
      "",
      " ",
      "1",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.",
      ".1.2.3",
      "1..2.3",
      "256.0.0.1",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.04",
      "00.0.0.0",
      "1.2.3.4 ",
      " 1.2.3.4",
      "+1.2.3.4",
      "-1.2.3.4",
      "0x1.2.3.4",
      "1.2.3.a",
      "1234.1.1.1",
      "1.2.3.1234",
      "4294967297.0.0.1",
      ":",
      ":::",
      "::1::",
      "1::2::3",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:8::",
      "::1:2:3:4:5:6:7:8",
      "1:2:3:4::5:6:7:8",
      ":1:2:3:4:5:6:7:8",
      "1:2:3:4:5:6:7:8:",
      "1:::2",
      "::1:",
      ":1::2",
      "12345::",
      "::00001",
      "::g",
      "::+1",
      "::-1",
      "::0x1",
      "::1%eth0",
      "[::1]",
      "::1/128",
      "1.2.3.4::",
      "1.2.3.4::1",
      "::1.2.3.4:5",
      "::1.2.3",
      "::1.2.3.4.5",
      "::1.2.3.256",
      "1:2:3:4:5:6:7:1.2.3.4",
      "1:2:3:4:5:1.2.3.4",
      "::1:2:3:4:5:6:7:1.2.3.4",
      "::01.2.3.4",
      "::ffff:1.2.3.4:",
      ": :1",
      "::1 ",
      "localhost",
  };
  for (const std::string_view row : kRows) {
    EXPECT_FALSE(IpAddress::parse(ExactText(row).view()).has_value()) << '"' << row << '"';
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)).has_value());
}

TEST(IpAddress, EveryPrefixOfATextIsReadWithinItsBounds) {
  const std::string whole = "2001:db8:1:2:3:4:192.0.2.255";
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const auto address = IpAddress::parse(ExactText(std::string_view(whole).substr(0, size)).view());
    // The quad's last digits alone can go missing.
    EXPECT_EQ(address.has_value(), size + 2 >= whole.size()) << size;
  }
}

TEST(IpAddress, FromBytesTakesFourOrSixteen) {
  std::vector<std::uint8_t> bytes(17, 0xAB);
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const IpAddress address = IpAddress::from_bytes(ByteView(bytes).first(size));
    if (size == 4) {
      EXPECT_EQ(address.to_string(), "171.171.171.171");
    } else if (size == 16) {
      EXPECT_EQ(address.to_string(), "abab:abab:abab:abab:abab:abab:abab:abab");
    } else {
      EXPECT_EQ(address, IpAddress()) << size;
    }
  }
}

TEST(IpAddress, FamiliesAndUnspecified) {
  EXPECT_TRUE(IpAddress().is_v4());
  EXPECT_TRUE(IpAddress().is_unspecified());
  EXPECT_TRUE(IpAddress::any(IpFamily::V6).is_unspecified());
  EXPECT_TRUE(IpAddress::any(IpFamily::V6).is_v6());
  EXPECT_NE(IpAddress::any(IpFamily::V4), IpAddress::any(IpFamily::V6));
  EXPECT_FALSE(IpAddress::v4(0, 0, 0, 1).is_unspecified());
  EXPECT_FALSE(IpAddress::parse("::ffff:0.0.0.0")->is_unspecified());
}

TEST(IpAddress, UnmappedTakesOnlyTheMappedPrefix) {
  static constexpr Text kRows[] = {
      {"::ffff:10.1.2.3", "10.1.2.3"},
      {"::ffff:0:0", "0.0.0.0"},
      {"::10.1.2.3", "::a01:203"},
      {"::fffe:10.1.2.3", "::fffe:a01:203"},
      {"10.1.2.3", "10.1.2.3"},
      {"1::ffff:10.1.2.3", "1::ffff:a01:203"},
      {"::1", "::1"},
      {"::ffff:0:10.1.2.3", "::ffff:0:a01:203"},
  };
  for (const Text& row : kRows) {
    EXPECT_EQ(IpAddress::parse(row.in)->unmapped().to_string(), row.out) << row.in;
  }
}

TEST(IpAddress, OrdersAndHashesByFamilyBytesAndSeed) {
  const IpAddress a = IpAddress::v4(10, 0, 0, 1);
  const IpAddress b = IpAddress::v4(10, 0, 0, 2);
  EXPECT_LT(a, b);
  EXPECT_EQ(a.hash(7), IpAddress::parse("10.0.0.1")->hash(7));
  EXPECT_NE(a.hash(7), b.hash(7));
  EXPECT_NE(a.hash(7), a.hash(8));
  EXPECT_NE(IpAddress::any(IpFamily::V4).hash(), IpAddress::any(IpFamily::V6).hash());
}

TEST(IpAddress, HashesOfNeighboursDoNotCollide) {
  std::set<std::uint64_t> hashes;
  for (unsigned i = 0; i < 65'536; ++i) {
    hashes.insert(
        IpAddress::v4(10, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)).hash(1));
  }
  EXPECT_EQ(hashes.size(), 65'536U);
}

// Whoever names peers chooses all 128 bits: no pair of addresses may collide whatever the seed is.
TEST(IpAddress, NoPairCollidesUnderEverySeed) {
  std::array<std::uint8_t, 16> bytes{0x20, 0x01, 0x0D, 0xB8};
  const IpAddress a = IpAddress::from_bytes(bytes);
  bytes[7] ^= 0x80;
  bytes[15] ^= 0x80;
  const IpAddress b = IpAddress::from_bytes(bytes);
  int collisions = 0;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    const std::uint64_t spread = seed * 0x9E3779B97F4A7C15ULL;
    collisions += a.hash(spread) == b.hash(spread) ? 1 : 0;
  }
  EXPECT_EQ(collisions, 0);
}

TEST(Endpoint, ParsesAndPrints) {
  static constexpr Text kRows[] = {
      {"192.0.2.1:3478", "192.0.2.1:3478"},         {"0.0.0.0:0", "0.0.0.0:0"},
      {"192.0.2.1:65535", "192.0.2.1:65535"},       {"[::]:443", "[::]:443"},
      {"[2001:DB8::1]:3478", "[2001:db8::1]:3478"}, {"[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.1]:1"},
  };
  for (const Text& row : kRows) {
    const auto endpoint = Endpoint::parse(ExactText(row.in).view());
    ASSERT_TRUE(endpoint.has_value()) << row.in;
    EXPECT_EQ(endpoint->to_string(), row.out);
    EXPECT_EQ(Endpoint::parse(row.out), endpoint);
  }
}

TEST(Endpoint, RefusesWhatIsNoEndpoint) {
  static constexpr std::string_view kRows[] = {
      "",
      ":",
      "192.0.2.1",
      "192.0.2.1:",
      "192.0.2.1:65536",
      "192.0.2.1:-1",
      "192.0.2.1:+1",
      ":3478",
      "[::1]",
      "[::1]:",
      "::1:3478",
      "[192.0.2.1]:1",
      "[::1]3478",
      "[]:1",
      "[::1:1",
      "::1]:1",
      "[[::1]]:1",
      "1.2.3.4:1 ",
      "1.2.3.4: 1",
      "localhost:3478",
      "[::1%lo]:1",
      "[::1]:1:",
      "[:1",
      "1.2.3.4:a",
      "1.2.3.4:0x1",
      "1.2.3.4:99999999999999999999",
  };
  for (const std::string_view row : kRows) {
    EXPECT_FALSE(Endpoint::parse(ExactText(row).view()).has_value()) << '"' << row << '"';
  }
}

TEST(Endpoint, HashDependsOnThePort) {
  std::set<std::uint64_t> hashes;
  for (std::uint32_t port = 0; port < 65'536; ++port) {
    hashes.insert(Endpoint{IpAddress::v4(192, 0, 2, 1), static_cast<std::uint16_t>(port)}.hash(42));
  }
  EXPECT_EQ(hashes.size(), 65'536U);
}

TEST(IpNetwork, ParsesAndPrints) {
  static constexpr Text kRows[] = {
      {"10.0.0.0/8", "10.0.0.0/8"},           {"0.0.0.0/0", "0.0.0.0/0"}, {"192.0.2.1", "192.0.2.1/32"},
      {"192.0.2.1/32", "192.0.2.1/32"},       {"::/0", "::/0"},           {"::1", "::1/128"},
      {"2001:DB8::/32", "2001:db8::/32"},     {"fe80::/10", "fe80::/10"}, {"172.16.0.0/12", "172.16.0.0/12"},
      {"2001:db8::8/125", "2001:db8::8/125"},
  };
  for (const Text& row : kRows) {
    const auto network = IpNetwork::parse(ExactText(row.in).view());
    ASSERT_TRUE(network.has_value()) << row.in;
    EXPECT_EQ(network->to_string(), row.out);
    EXPECT_EQ(IpNetwork::parse(row.out), network);
  }
}

TEST(IpNetwork, RefusesWhatIsNoNetwork) {
  static constexpr std::string_view kRows[] = {
      "",         "/",           "/8",           "10.0.0.0/",      "10.0.0.0/33",   "::/129",   "10.0.0.1/8",
      "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/8 ",    "10.0.0.0 /8",   "::1/127",  "0.0.0.1/0",
      "::1/0",    "[::]/0",      "10.0.0.0/0x8", "172.17.0.0/15x", "172.17.0.0/12", "::ffff/-", "10.0.0.0:/8",
  };
  for (const std::string_view row : kRows) {
    EXPECT_FALSE(IpNetwork::parse(ExactText(row).view()).has_value()) << '"' << row << '"';
  }
}

struct Containment {
  const char* network;
  const char* address;
  bool inside;
};

TEST(IpNetwork, Contains) {
  static constexpr Containment kRows[] = {
      {"10.0.0.0/8", "10.255.255.255", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.0.0.0/8", "9.255.255.255", false},
      {"0.0.0.0/0", "255.255.255.255", true},
      {"0.0.0.0/0", "::", false},
      {"::/0", "0.0.0.0", false},
      {"::/0", "ffff::", true},
      {"172.16.0.0/12", "172.31.255.255", true},
      {"172.16.0.0/12", "172.32.0.0", false},
      {"192.0.2.1/32", "192.0.2.1", true},
      {"192.0.2.1/32", "192.0.2.0", false},
      {"128.0.0.0/1", "128.0.0.0", true},
      {"128.0.0.0/1", "127.255.255.255", false},
      {"192.0.2.254/31", "192.0.2.255", true},
      {"192.0.2.254/31", "192.0.2.253", false},
      {"fe80::/10", "febf::1", true},
      {"fe80::/10", "fec0::1", false},
      {"2001:db8::8/125", "2001:db8::f", true},
      {"2001:db8::8/125", "2001:db8::10", false},
      {"::1/128", "::1", true},
      {"::1/128", "::2", false},
      // A mapped address is IPv6 here: a policy on IPv4 asks for unmapped().
      {"10.0.0.0/8", "::ffff:10.0.0.1", false},
      {"::ffff:0:0/96", "::ffff:10.0.0.1", true},
  };
  for (const Containment& row : kRows) {
    EXPECT_EQ(IpNetwork::parse(row.network)->contains(*IpAddress::parse(row.address)), row.inside)
        << row.network << ' ' << row.address;
  }
}

TEST(IpNetwork, EveryPrefixLengthSplitsAtItsBit) {
  for (const auto& [text, whole] :
       {std::pair{"255.255.255.255", 32U}, std::pair{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 128U}}) {
    const IpAddress ones = *IpAddress::parse(text);
    for (unsigned bits = 0; bits <= whole; ++bits) {
      std::vector<std::uint8_t> bytes(ones.bytes().begin(), ones.bytes().end());
      for (unsigned bit = bits; bit < whole; ++bit) {
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> (bit % 8)));
      }
      const auto network =
          IpNetwork::parse(IpAddress::from_bytes(bytes).to_string() + '/' + std::to_string(bits));
      ASSERT_TRUE(network.has_value()) << bits;
      EXPECT_TRUE(network->contains(ones));
      if (bits == 0) continue;
      std::vector<std::uint8_t> outside(ones.bytes().begin(), ones.bytes().end());
      outside[(bits - 1) / 8] =
          static_cast<std::uint8_t>(outside[(bits - 1) / 8] ^ (0x80U >> ((bits - 1) % 8)));
      EXPECT_FALSE(network->contains(IpAddress::from_bytes(outside))) << bits;
    }
  }
}

TEST(Address, Loopback) {
  for (const char* text : {"127.0.0.1", "127.0.0.0", "127.255.255.255", "::1"})
    EXPECT_TRUE(IpAddress::parse(text)->is_loopback()) << text;
  for (const char* text : {"126.255.255.255", "128.0.0.1", "0.0.0.0", "7f00::", "::", "::2", "::1:1", "1::1",
                           "::ffff:127.0.0.1", "::127.0.0.1"})
    EXPECT_FALSE(IpAddress::parse(text)->is_loopback()) << text;
  EXPECT_TRUE(IpAddress::parse("::ffff:127.0.0.1")->unmapped().is_loopback());
}

}  // namespace
}  // namespace ts
