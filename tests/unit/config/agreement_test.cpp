// SPDX-License-Identifier: Apache-2.0
// What the loader takes and what the schema and the documentation say of it; what is warned of.
#include <turnstone/config/schema.hpp>

#include "helpers.hpp"

namespace ts::config {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

LoadResult load_key(const std::string& path, const std::string& value) {
  const std::size_t dot = path.find('.');
  return load_dev(path.substr(0, dot) + ": {" + path.substr(dot + 1) + ": " + value + "}\n");
}

bool takes(const std::string& path, const std::string& value) {
  const LoadResult r = load_key(path, value);
  return std::none_of(r.problems.begin(), r.problems.end(),
                      [&](const Problem& p) { return p.key.find(path) != std::string::npos; });
}

TEST(Durations, PlainNumbersAreTakenWhereTheSchemaSaysSo) {
  int durations = 0;
  int plain = 0;
  for (const KeyInfo& key : keys()) {
    if (!key.type.starts_with("duration")) continue;
    ++durations;
    const std::string leaf = '"' + key.path.substr(key.path.rfind('.') + 1) + "\": {";
    const std::string schema = json_schema();
    const std::size_t at = schema.find(leaf);
    ASSERT_NE(at, std::string::npos) << key.path;
    const std::string entry = schema.substr(at, schema.find('\n', at) - at);
    const bool takes_number = takes(key.path, "3600");
    EXPECT_EQ(entry.find("\"integer\"") != std::string::npos, takes_number) << entry;
    EXPECT_EQ(entry.find("d)?$") != std::string::npos, takes_number) << entry;
    EXPECT_EQ(key.type, takes_number ? "duration or seconds" : "duration") << key.path;
    plain += takes_number ? 1 : 0;
  }
  EXPECT_GT(durations, 5);
  EXPECT_EQ(plain, 1) << "auth.nonce_lifetime";
}

// RFC 8656 §7.2: "the server SHOULD NOT allocate ports in the range 0 - 1023 (the Well-Known Port range)".
TEST(RelayPorts, BelowTheRegisteredOnesAreWarnedOf) {
  const LoadResult low = load_key("relay.ports", "1000-2000");
  EXPECT_THAT(low.problems, IsEmpty()) << to_text(low.problems);
  ASSERT_THAT(low.warnings, SizeIs(1));
  EXPECT_EQ(low.warnings[0].key, "relay.ports");
  EXPECT_EQ(low.warnings[0].line, 2);
  EXPECT_THAT(low.warnings[0].found, HasSubstr("1000-2000"));
  EXPECT_THAT(low.warnings[0].remedy, HasSubstr("49152-65535"));
  EXPECT_THAT(load_key("relay.ports", "1024-2000").warnings, IsEmpty());
  EXPECT_THAT(load_dev("").warnings, IsEmpty());
  EXPECT_THAT(load_dev("relay: {ports: 1000-2000, enabled: false}\n").warnings, IsEmpty());
}

TEST(AlternateDomain, IsADomainName) {
  for (const char* good : {"''", "turn2.example.org", "a", "xn--bcher-kva.example", "example.org."})
    EXPECT_TRUE(takes("relay.alternate_domain", good)) << good;
  const std::string long_name(256, 'a');
  for (const std::string& bad : {std::string("'a b'"), std::string("'.example.org'"), std::string("a..b"),
                                 std::string("'b\xC3\xBC.example'"), long_name})
    EXPECT_FALSE(takes("relay.alternate_domain", bad)) << bad;
}

}  // namespace
}  // namespace ts::config
