// SPDX-License-Identifier: Apache-2.0
// Letters between shards (RFC 8016) that are late, or about an allocation that is gone: they end what waits
// at the other end, and change nothing here.
#include <gtest/gtest.h>

#include "mobility.hpp"

namespace ts::turn::testing {
namespace {

Letter about_nobody(Letter::Kind kind) {
  Letter out;
  out.kind = kind;
  out.from = 1;
  out.id = 0x1234'5678'9ABC'DEF0;
  out.tuple = FiveTuple{ep("192.0.2.99:1234"), ep("198.41.0.4:3478"), Transport::Udp};
  return out;
}

TEST(StrayLetters, WhoFetchesWhatIsGoneIsToldSo) {
  World w(mobile());
  Outbox out;
  Letter fetch = about_nobody(Letter::Kind::Fetch);
  EXPECT_FALSE(w.server.receive(w.now, fetch, out));
  ASSERT_EQ(out.letters.size(), 1U);
  EXPECT_EQ(out.letters[0].kind, Letter::Kind::Arrival);
  EXPECT_EQ(out.letters[0].to, 1);
  EXPECT_EQ(out.letters[0].id, fetch.id);
  EXPECT_EQ(out.letters[0].tuple, fetch.tuple);
  EXPECT_EQ(out.letters[0].allocation, nullptr);
}

TEST(StrayLetters, AQueryAboutNobodyIsAnsweredWithAnError) {
  World w(mobile());
  Outbox out;
  Letter query = about_nobody(Letter::Kind::Query);
  EXPECT_FALSE(w.server.receive(w.now, query, out));
  ASSERT_EQ(out.letters.size(), 1U);
  EXPECT_EQ(out.letters[0].kind, Letter::Kind::Reply);
  EXPECT_TRUE(out.letters[0].error);
}

TEST(StrayLetters, AnArrivalWithoutAnAllocationLeavesNothing) {
  World w(mobile());
  Outbox out;
  Letter arrival = about_nobody(Letter::Kind::Arrival);
  EXPECT_FALSE(w.server.receive(w.now, arrival, out));
  EXPECT_EQ(w.server.allocation_count(), 0U);
  EXPECT_FALSE(w.server.has_allocation(arrival.tuple));
  EXPECT_TRUE(out.letters.empty());
  EXPECT_TRUE(out.to_clients.empty());
}

TEST(StrayLetters, AReplyWithoutItsRequestAnswersNobody) {
  World w(mobile());
  for (const Bytes& request : {Bytes{}, Bytes(20, 0xFF)}) {
    Outbox out;
    Letter reply = about_nobody(Letter::Kind::Reply);
    reply.request = request;
    EXPECT_FALSE(w.server.receive(w.now, reply, out));
    EXPECT_TRUE(out.to_clients.empty());
    EXPECT_FALSE(w.server.has_allocation(reply.tuple));
  }
}

}  // namespace
}  // namespace ts::turn::testing
