// SPDX-License-Identifier: Apache-2.0
// What keys of the section signaling must not contradict.
#include "helpers.hpp"

namespace ts::config {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string texts(const std::vector<Problem>& problems) {
  std::string out;
  for (const Problem& p : problems) out += p.to_string() + '\n';
  return out;
}

TEST(SignalingSizes, AllContradictionsAreToldAtOnce) {
  const LoadResult result = load_dev(
      "signaling:\n"
      "  max_message_size: 64KiB\n"
      "  max_resume_size: 8KiB\n"
      "  max_send_queue: 4KiB\n");
  const std::string all = texts(result.problems);
  ASSERT_THAT(result.problems, SizeIs(3)) << all;
  EXPECT_THAT(all, HasSubstr("signaling.max_send_queue, signaling.max_message_size"));
  EXPECT_THAT(all, HasSubstr("signaling.max_resume_size, signaling.max_message_size"));
  EXPECT_THAT(all, HasSubstr("signaling.max_send_queue, signaling.max_resume_size"));
  EXPECT_THAT(all, HasSubstr("8KiB below 64KiB"));
  EXPECT_THAT(all, HasSubstr("Raise signaling.max_resume_size, or lower signaling.max_message_size."));
  for (const Problem& p : result.problems) EXPECT_GE(p.line, 4) << p.to_string();
  EXPECT_THAT(texts(load_dev("signaling: {max_resume_total: 64KiB}").problems),
              HasSubstr("64KiB below 256KiB"));
  EXPECT_TRUE(load_dev("signaling: {max_resume_size: 8KiB, resume_time: 0s}").ok());
}

TEST(SignalingSizes, WhatIsNotWrittenFollows) {
  EXPECT_EQ(load_dev("").config.signal.max_resume_bytes, 256U << 10);
  const LoadResult small = load_dev("signaling: {max_send_queue: 100KiB}");
  EXPECT_TRUE(small.ok()) << texts(small.problems);
  EXPECT_EQ(small.config.signal.max_resume_bytes, 100U << 10);
  const LoadResult large = load_dev("signaling: {max_message_size: 1MiB}");
  EXPECT_TRUE(large.ok()) << texts(large.problems);
  EXPECT_EQ(large.config.signal.max_resume_bytes, 1U << 20);
}

const std::string kSecret(32, 'k');

std::string with(const std::string& auth, const std::string& signaling) {
  return "auth: {jwt_secrets: [" + kSecret + "]" + auth + "}\nsignaling: {jwt_secrets: [" + kSecret + "]" +
         signaling + "}\n";
}

TEST(JwtSecrets, MustNotServeTurnAndSignaling) {
  const LoadResult result = load_text(with("", ""));
  ASSERT_THAT(result.problems, SizeIs(1)) << texts(result.problems);
  const Problem& p = result.problems[0];
  EXPECT_EQ(p.key, "signaling.jwt_secrets, auth.jwt_secrets");
  EXPECT_EQ(p.line, 2);
  EXPECT_THAT(p.remedy, HasSubstr("openssl rand -hex 32"));
  EXPECT_EQ(p.to_string().find(kSecret), std::string::npos) << "it is not shown";
  EXPECT_THAT(load_text(with(", jwt_audience: turn", "")).problems, SizeIs(1));
  EXPECT_THAT(load_text(with("", ", jwt_audience: signal")).problems, SizeIs(1));
  EXPECT_THAT(load_text(with(", jwt_audience: a", ", jwt_audience: a")).problems, SizeIs(1));
  EXPECT_TRUE(load_text(with(", jwt_audience: turn", ", jwt_audience: signal")).ok());
}

TEST(JwtSecrets, OfFilesAndRealmsToo) {
  const std::string signaling = "signaling: {jwt_secrets: [" + kSecret + "]}\n";
  const std::string auth = "auth: {jwt_secrets_file: /s}\n";
  const LoadResult filed = load_text(auth + signaling, {}, {}, {{"/s", kSecret + "\n"}});
  EXPECT_THAT(filed.problems, SizeIs(1)) << texts(filed.problems);
  const LoadResult realm = load_text(
      "auth: {secrets: [x], realms: [{name: eu, origins: ['https://a.org'], "
      "jwt_secrets: [" +
      kSecret + "]}]}\n" + signaling);
  ASSERT_THAT(realm.problems, SizeIs(1)) << texts(realm.problems);
  EXPECT_EQ(realm.problems[0].key, "signaling.jwt_secrets, auth.realms[0].jwt_secrets");

  // A file that is read anew must not bring it in either.
  const LoadResult good = load_text(auth + signaling, {}, {}, {{"/s", std::string(32, 'o')}});
  ASSERT_TRUE(good.ok()) << texts(good.problems);
  EXPECT_TRUE(reload_credentials(good.config, reader_of({{"/s", std::string(32, 'n')}})).problems.empty());
  EXPECT_THAT(reload_credentials(good.config, reader_of({{"/s", kSecret}})).problems, SizeIs(1));
}

}  // namespace
}  // namespace ts::config
