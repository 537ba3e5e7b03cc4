// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <turnstone/signal/throttle.hpp>

namespace ts::signal {
namespace {

using namespace std::chrono_literals;

class ThrottleTest : public testing::Test {
 protected:
  ThrottleTest() {
    options_.messages_per_second = 0;
    options_.bytes_per_second = options_.joins_per_second = 0;
    options_.address_messages_per_second = options_.address_bytes_per_second = 0;
    options_.address_joins_per_second = 0;
    options_.max_message_bytes = 1000;
  }
  bool message(Allowance& sender, const char* from, std::size_t bytes = 100) {
    return throttle_.message(now_, options_, 0, sender, *IpAddress::parse(from), bytes) == Duration::zero();
  }
  bool join(Allowance& sender, const char* from) {
    return throttle_.join(now_, options_, sender, *IpAddress::parse(from)) == Duration::zero();
  }
  std::uint64_t refused(Limit limit) const { return refused_[static_cast<std::size_t>(limit)]; }

  Options options_;
  TimePoint now_ = TimePoint{} + 1000s;
  Throttle::Refused refused_{};
  Throttle throttle_{7, refused_};
};

TEST_F(ThrottleTest, WithoutLimitsAllPasses) {
  Allowance sender;
  for (int i = 0; i < 10'000; ++i)
    ASSERT_TRUE(message(sender, "192.0.2.1", 1000) && join(sender, "192.0.2.1"));
  EXPECT_EQ(refused_, Throttle::Refused{});
}

TEST_F(ThrottleTest, BytesOfOneConnection) {
  options_.bytes_per_second = 1000;
  Allowance sender;
  Allowance other;
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(message(sender, "192.0.2.1")) << i;
  EXPECT_FALSE(message(sender, "192.0.2.1"));
  EXPECT_TRUE(message(sender, "192.0.2.1", 0));
  EXPECT_TRUE(message(other, "192.0.2.1"));
  EXPECT_EQ(refused(Limit::Bytes), 1U);
  EXPECT_EQ(sender.refusals(), 1U);
  now_ += 1s;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(message(sender, "192.0.2.1")) << i;
  EXPECT_FALSE(message(sender, "192.0.2.1"));
}

TEST_F(ThrottleTest, TheGreatestMessagePassesASmallLimit) {
  options_.bytes_per_second = options_.address_bytes_per_second = 10;
  Allowance sender;
  EXPECT_TRUE(message(sender, "192.0.2.1", 1000));
  EXPECT_FALSE(message(sender, "192.0.2.1", 1000));
  now_ += 100s;
  EXPECT_TRUE(message(sender, "192.0.2.1", 1000));
  now_ += 100s;
  // What is longer is refused for that, by others; here it does not wait for ever.
  EXPECT_TRUE(message(sender, "192.0.2.1", 1'000'000));
}

TEST_F(ThrottleTest, JoinsOfOneConnection) {
  options_.joins_per_second = 2;
  Allowance sender;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(join(sender, "192.0.2.1")) << i;
  EXPECT_EQ(throttle_.join(now_, options_, sender, *IpAddress::parse("192.0.2.1")), 500ms);
  EXPECT_EQ(refused(Limit::Joins), 1U);
  EXPECT_EQ(sender.refusals(), 0U) << "nobody is closed for that";
}

TEST_F(ThrottleTest, AllConnectionsOfOneAddress) {
  options_.address_messages_per_second = 10;
  options_.address_joins_per_second = 1;
  for (int i = 0; i < 40; ++i) {
    Allowance one;
    ASSERT_TRUE(message(one, i % 2 == 0 ? "192.0.2.1" : "::ffff:192.0.2.1")) << i;
    ASSERT_EQ(join(one, "2001:db8::1"), i < 10) << i;
  }
  Allowance one;
  EXPECT_FALSE(message(one, "192.0.2.1"));
  EXPECT_FALSE(join(one, "2001:db8::ffff:2")) << "of the same /64";
  EXPECT_TRUE(join(one, "2001:db8:0:1::1"));
  EXPECT_TRUE(message(one, "192.0.2.2"));
  EXPECT_EQ(refused(Limit::AddressMessages), 1U);
  EXPECT_EQ(refused(Limit::AddressJoins), 31U);
  EXPECT_EQ(one.refusals(), 0U) << "others may have used it up";
}

TEST_F(ThrottleTest, PrivateAddressesAndWhoIsElsewhereHaveNoLimit) {
  options_.address_messages_per_second = options_.address_bytes_per_second = 1;
  options_.address_joins_per_second = 1;
  for (const char* from : {"127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "10.1.2.3", "172.31.0.1",
                           "192.168.7.7", "169.254.1.1", "fd00::1", "fe80::1"}) {
    Allowance sender;
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(message(sender, from, 1000) && join(sender, from)) << from;
  }
  for (const char* from : {"11.1.2.3", "172.32.0.1", "192.169.7.7", "169.253.1.1", "fb00::1", "fec0::1"}) {
    Allowance sender;
    for (int i = 0; i < 10; ++i) message(sender, from, 1);
    EXPECT_FALSE(message(sender, from, 1)) << from;
  }
}

}  // namespace
}  // namespace ts::signal
