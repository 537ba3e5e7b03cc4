// SPDX-License-Identifier: Apache-2.0
#include "../../../src/app/cluster_orders.hpp"

#include <gtest/gtest.h>

namespace ts::app {
namespace {

turn::Revocation example() {
  turn::Revocation out;
  out.kind = turn::Revocation::Kind::Member;
  out.name = "ada~\"x\"";
  out.until = WallTime(std::chrono::seconds(1'700'000'000));
  out.realm = auth::kDefaultRealm;
  out.cause = turn::RevocationCause::Departure;
  return out;
}

TEST(ClusterOrders, ARevocationIsTheSameAtTheOtherEnd) {
  const auto same = revocation_of(order_of(example()));
  ASSERT_TRUE(same);
  EXPECT_EQ(same->kind, example().kind);
  EXPECT_EQ(same->name, example().name);
  EXPECT_EQ(same->until, example().until);
  EXPECT_EQ(same->realm, example().realm);
  EXPECT_EQ(same->cause, example().cause);
  turn::Revocation forever = example();
  forever.until = WallTime::max();
  forever.realm = std::nullopt;
  const auto also = revocation_of(order_of(forever));
  ASSERT_TRUE(also);
  EXPECT_EQ(also->until, WallTime::max());
  EXPECT_EQ(also->realm, std::nullopt);
}

TEST(ClusterOrders, AnythingElseIsNone) {
  for (const char* text : {"", "{}", "[]", "1", "{\"revoke\":4,\"name\":\"a\",\"until\":1,\"cause\":0}",
                           "{\"revoke\":-1,\"name\":\"a\",\"until\":1,\"cause\":0}",
                           "{\"revoke\":1,\"name\":1,\"until\":1,\"cause\":0}",
                           "{\"revoke\":1,\"name\":\"a\",\"until\":\"x\",\"cause\":0}",
                           "{\"revoke\":1,\"name\":\"a\",\"until\":1,\"cause\":3}",
                           "{\"revoke\":1,\"name\":\"a\",\"until\":1,\"cause\":0,\"realm\":65536}"})
    EXPECT_FALSE(revocation_of(text)) << text;
}

}  // namespace
}  // namespace ts::app
