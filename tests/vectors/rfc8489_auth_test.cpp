// SPDX-License-Identifier: Apache-2.0
// The long-term vectors through the credentials: users as an operator writes them, requests as they came.
#include <gtest/gtest.h>

#include <turnstone/auth/credentials.hpp>

#include "rfc_vectors.hpp"

namespace ts::auth {
namespace {

constexpr WallTime kNow{std::chrono::seconds{1'700'000'000}};

/// The password before preparation: "The<U+00AD>M<U+00AA>tr<U+2168>".
Credentials credentials(const char* password) {
  Options options;
  options.realm = vectors::kLongTermRealm;
  options.users = {{vectors::kLongTermUsername, password}};
  return Credentials(options);
}

class LongTermVectors : public ::testing::TestWithParam<const char*> {};

// RFC 8489 §14.4 MUST: USERHASH and MESSAGE-INTEGRITY-SHA256 of §B.1 are a known user's
TEST_P(LongTermVectors, AppendixB1Authenticates) {
  const Credentials known = credentials(GetParam());
  const auto message = stun::MessageView::parse(vectors::kSha256Errata);
  ASSERT_TRUE(message);
  const auto algorithm = message->find(stun::AttributeType::PasswordAlgorithm);
  Claim claim;
  claim.userhash = message->find(stun::AttributeType::Userhash).value();
  claim.algorithm = decode_password_algorithm(*algorithm).value();
  claim.answer_mac = Mac::Sha256;
  EXPECT_EQ(claim.algorithm, PasswordAlgorithm::Sha256);
  const auto who = known.authenticate(*message, claim, kNow);
  ASSERT_TRUE(who);
  EXPECT_EQ(who->username, vectors::kLongTermUsername);
  EXPECT_TRUE(who->key.verify(*message));
  // "obMatJos2AAAC": bit 22, which nobody has assigned.
  EXPECT_EQ(features_of(as_text(*message->find(stun::AttributeType::Nonce))), 2U);
}

TEST_P(LongTermVectors, Rfc5769Section24Authenticates) {
  const Credentials known = credentials(GetParam());
  const auto message = stun::MessageView::parse(vectors::kLongTerm);
  ASSERT_TRUE(message);
  const auto name = as_text(*message->find(stun::AttributeType::Username));
  const auto who = known.authenticate(*message, name, kNow);
  ASSERT_TRUE(who);
  EXPECT_TRUE(who->key.verify(*message));
}

INSTANTIATE_TEST_SUITE_P(BeforeAndAfterPreparation, LongTermVectors,
                         ::testing::Values("The\xc2\xadM\xc2\xaatr\xe2\x85\xa8", "TheMatrIX"));

TEST(LongTermVectors, WithAnotherPasswordTheyDoNot) {
  const Credentials other = credentials("TheMatrix");
  const auto message = stun::MessageView::parse(vectors::kLongTerm);
  EXPECT_FALSE(other.authenticate(*message, vectors::kLongTermUsername, kNow));
}

}  // namespace
}  // namespace ts::auth
