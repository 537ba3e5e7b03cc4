// SPDX-License-Identifier: Apache-2.0
// Relay ports, reservations (RFC 8656 §7.2) and quotas.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <turnstone/turn/ledger.hpp>

namespace ts::turn {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

class Seeded final : public RandomSource {
 public:
  explicit Seeded(std::uint64_t seed) : state_(seed) {}
  void fill(MutableBytes out) noexcept override {
    for (auto& byte : out) {
      state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
      byte = static_cast<std::uint8_t>(state_ >> 56);
    }
  }

 private:
  std::uint64_t state_;
};

/// Says everything twice: eight bytes of its count.
class Stammering final : public RandomSource {
 public:
  void fill(MutableBytes out) noexcept override {
    std::fill(out.begin(), out.end(), static_cast<std::uint8_t>(count_++ / 2));
  }

 private:
  unsigned count_ = 0;
};

constexpr TimePoint kStart{seconds(1000)};

TEST(PortPool, GivesEveryPortOnceInEveryRange) {
  const PortRange ranges[] = {{49152, 65535}, {50000, 50000}, {50000, 50001}, {50001, 50063}, {50000, 50064},
                              {50003, 50130}, {65535, 65535}, {65472, 65535}, {1024, 1151}};
  for (const PortRange& range : ranges) {
    Seeded random(range.low);
    PortPool pool(range);
    const std::size_t size = range.high - range.low + 1U;
    std::set<std::uint16_t> seen;
    while (const auto port = pool.take(PortParity::Any, random)) {
      EXPECT_GE(*port, range.low);
      EXPECT_LE(*port, range.high);
      EXPECT_TRUE(seen.insert(*port).second) << *port;
      ASSERT_LE(seen.size(), size);
    }
    EXPECT_EQ(seen.size(), size);
    EXPECT_EQ(pool.used(), size);
    EXPECT_EQ(pool.free(), 0U);
    for (const std::uint16_t port : seen) {
      pool.put_back(port);
      ASSERT_EQ(pool.take(PortParity::Any, random), port);  // the only free one, wherever the draw begins
    }
    for (const std::uint16_t port : seen) pool.put_back(port);
    EXPECT_EQ(pool.used(), 0U);
  }
}

TEST(PortPool, EvenPortsAreEvenAndRunOut) {
  Seeded random(1);
  PortPool pool(PortRange{50001, 50011});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(pool.take(PortParity::Even, random).value() % 2, 0);
  EXPECT_EQ(pool.take(PortParity::Even, random), std::nullopt);
  EXPECT_EQ(pool.free(), 6U);
  EXPECT_EQ(PortPool({50001, 50001}).take(PortParity::Even, random), std::nullopt);
}

TEST(PortPool, PairsAreWholeAndRunOut) {
  Seeded random(2);
  PortPool pool(PortRange{50001, 50012});  // pairs 50002/3 … 50010/11; 50012 has no neighbour
  std::set<std::uint16_t> taken;
  for (int i = 0; i < 5; ++i) {
    const auto port = pool.take(PortParity::EvenWithNextReserved, random);
    ASSERT_TRUE(port);
    EXPECT_EQ(*port % 2, 0);
    EXPECT_TRUE(taken.insert(*port).second);
    EXPECT_TRUE(taken.insert(static_cast<std::uint16_t>(*port + 1)).second);
  }
  EXPECT_EQ(pool.take(PortParity::EvenWithNextReserved, random), std::nullopt);
  EXPECT_EQ(pool.used(), 10U);
  EXPECT_EQ(pool.take(PortParity::Even, random), 50012);
  EXPECT_EQ(PortPool({65534, 65534}).take(PortParity::EvenWithNextReserved, random), std::nullopt);
  EXPECT_EQ(PortPool({65534, 65535}).take(PortParity::EvenWithNextReserved, random), 65534);
}

TEST(PortPool, APairNeedsBothPorts) {
  Seeded random(3);
  PortPool pool(PortRange{50000, 50001});
  std::uint16_t port = 0;
  while (port != 50001) {  // take the odd one
    port = pool.take(PortParity::Any, random).value();
    if (port != 50001) pool.put_back(port);
  }
  EXPECT_EQ(pool.take(PortParity::EvenWithNextReserved, random), std::nullopt);
  EXPECT_EQ(pool.take(PortParity::Even, random), 50000);
}

TEST(PortPool, DrawsAreSpreadOverTheRange) {
  // RFC 6056: neighbours in time are not neighbours in number.
  Seeded random(4);
  PortPool pool(PortRange{49152, 65535});
  std::set<int> buckets;
  for (int i = 0; i < 256; ++i) buckets.insert((pool.take(PortParity::Any, random).value() - 49152) / 1024);
  EXPECT_EQ(buckets.size(), 16U);
}

TEST(PortPool, AnEmptyRangeHasNothing) {
  Seeded random(5);
  PortPool pool(PortRange{50001, 50000});
  EXPECT_EQ(pool.take(PortParity::Any, random), std::nullopt);
  EXPECT_EQ(pool.free(), 0U);
}

struct LedgerTest : ::testing::Test {
  static Options options() {
    Options out;
    out.relay_addresses = {{IpAddress::v4(192, 0, 2, 1), IpAddress::v4(192, 0, 2, 1)}};
    out.ports = {50000, 50015};
    out.max_allocations = 5;
    out.max_allocations_per_user = 2;
    return out;
  }
  Seeded random{7};
  LocalLedger ledger{options()};
};

TEST_F(LedgerTest, QuotasPerAccountAndInTotal) {
  EXPECT_EQ(ledger.admit("a"), std::nullopt);
  EXPECT_EQ(ledger.admit("a"), std::nullopt);
  EXPECT_EQ(ledger.admit("a"), Denial::QuotaUser);
  EXPECT_EQ(ledger.admit("b"), std::nullopt);
  EXPECT_EQ(ledger.admit("b"), std::nullopt);
  EXPECT_EQ(ledger.admit("c"), std::nullopt);
  EXPECT_EQ(ledger.admit("d"), Denial::QuotaTotal);
  EXPECT_EQ(ledger.admit("a"), Denial::QuotaTotal);
  ledger.leave("a");
  EXPECT_EQ(ledger.admit("a"), std::nullopt);
  ledger.leave("b");
  EXPECT_EQ(ledger.admit("a"), Denial::QuotaUser);
  EXPECT_EQ(ledger.admit("d"), std::nullopt);
}

TEST(Ledger, ZeroIsNoQuota) {
  LocalLedger ledger{Options{}};
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(ledger.admit("a"), std::nullopt);
}

TEST_F(LedgerTest, AFamilyWithoutAnAddressHasNoPorts) {
  EXPECT_EQ(ledger.take_port(IpFamily::V6, PortParity::Any, "a", kStart, random), std::nullopt);
  EXPECT_EQ(ledger.ports().free, 16U);
}

TEST_F(LedgerTest, AReservationIsRedeemedOnce) {
  const auto port =
      ledger.take_port(IpFamily::V4, PortParity::EvenWithNextReserved, "a", kStart, random).value();
  const auto next = static_cast<std::uint16_t>(port + 1);
  const auto token = ledger.reserve(IpFamily::V4, next, "a", kStart + seconds(30), random);
  ReservationToken wrong = token;
  wrong[7] ^= 1;
  EXPECT_EQ(ledger.redeem(wrong, kStart), std::nullopt);
  const auto got = ledger.redeem(token, kStart + seconds(30) - nanoseconds(1));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->port, next);
  EXPECT_EQ(got->address.family(), IpFamily::V4);
  EXPECT_EQ(ledger.redeem(token, kStart), std::nullopt);
  EXPECT_EQ(ledger.ports().used, 2U);
  ledger.return_port(IpFamily::V4, port);
  ledger.return_port(IpFamily::V4, next);
  EXPECT_EQ(ledger.ports().used, 0U);
}

TEST_F(LedgerTest, AReservationExpiresAndGivesItsPortBack) {
  const auto port =
      ledger.take_port(IpFamily::V4, PortParity::EvenWithNextReserved, "a", kStart, random).value();
  const auto token =
      ledger.reserve(IpFamily::V4, static_cast<std::uint16_t>(port + 1), "a", kStart + seconds(30), random);
  EXPECT_EQ(ledger.redeem(token, kStart + seconds(30)), std::nullopt);
  EXPECT_EQ(ledger.ports().used, 1U);
}

TEST_F(LedgerTest, ReservationsAreBoundedAndComeBackInTime) {
  // A reservation outlives its allocation: whoever allocates and deletes in turn must not take all ports.
  const auto reserve_pairs = [&](const std::string& account) {
    int reserved = 0;
    for (int i = 0; i < 16; ++i) {
      const auto port =
          ledger.take_port(IpFamily::V4, PortParity::EvenWithNextReserved, account, kStart, random);
      if (!port) break;
      ledger.reserve(IpFamily::V4, static_cast<std::uint16_t>(*port + 1), account, kStart + seconds(30),
                     random);
      ledger.return_port(IpFamily::V4, *port);
      ++reserved;
    }
    return reserved;
  };
  for (const char* account : {"a", "b", "c", "d"}) EXPECT_EQ(reserve_pairs(account), 1) << account;
  EXPECT_EQ(reserve_pairs("e"), 0) << "a quarter of the ports for all, a quarter of these for each";
  EXPECT_EQ(ledger.ports().free, 12U);
  EXPECT_TRUE(ledger.take_port(IpFamily::V4, PortParity::Any, "a", kStart, random));
  EXPECT_TRUE(
      ledger.take_port(IpFamily::V4, PortParity::EvenWithNextReserved, "a", kStart + seconds(30), random));
}

// RFC 8016: a ticket means one allocation, whatever is drawn.
TEST_F(LedgerTest, NoTwoMobileAllocationsHaveOneName) {
  Stammering stammering;
  std::set<std::uint64_t> names;
  for (std::uint8_t shard = 0; shard < 20; ++shard) {
    const std::uint64_t name = ledger.add_place(Place{shard, {}}, stammering);
    EXPECT_TRUE(names.insert(name).second);
    EXPECT_EQ(ledger.place_of(name).value().shard, shard);
    EXPECT_EQ(name >> 48, 0U);
  }
  for (const std::uint64_t name : names) {
    ledger.forget_place(name);
    EXPECT_FALSE(ledger.place_of(name));
  }
}

}  // namespace
}  // namespace ts::turn
