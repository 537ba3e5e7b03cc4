// SPDX-License-Identifier: Apache-2.0
// Documents that try to cost memory, time or a crash; secrets that try to get out.
#include <chrono>

#include <turnstone/config/schema.hpp>

#include "helpers.hpp"

namespace ts::config {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

struct Hostile {
  const char* name;
  std::string yaml;
  int line;  // 0: any
  const char* found;
};

void PrintTo(const Hostile& c, std::ostream* out) { *out << c.name; }

class HostileYaml : public testing::TestWithParam<Hostile> {};

TEST_P(HostileYaml, IsOneProblemAndFast) {
  const auto start = std::chrono::steady_clock::now();
  const LoadResult result = load_text(GetParam().yaml);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  ASSERT_THAT(result.problems, SizeIs(1)) << to_text(result.problems).substr(0, 1000);
  if (GetParam().line != 0) {
    EXPECT_EQ(result.problems[0].line, GetParam().line);
  }
  EXPECT_THAT(result.problems[0].to_string(), HasSubstr(GetParam().found));
}

INSTANTIATE_TEST_SUITE_P(
    Each, HostileYaml,
    testing::Values(Hostile{"Tab", "listen:\n\tport: 1\n", 2, "well-formed"},
                    Hostile{"Unclosed", "listen: {port: 1\n", 0, "well-formed"},
                    Hostile{"Quote", "auth:\n  realm: \"x\n", 0, "well-formed"},
                    Hostile{"Alias", "a: &x [1]\nb: *x\n", 2, "an alias"},
                    Hostile{"Bomb", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n", 2,
                            "an alias"},
                    Hostile{"UnknownAlias", "a: *nope\n", 1, ""},
                    Hostile{"DeepFlow", "a: " + repeat("[", 100), 1, "deeper nesting"},
                    Hostile{"DeepFlowLong", "a: " + repeat("[", 20'000), 1, "deeper nesting"},
                    Hostile{"DeepMap", "a: " + repeat("{a: ", 20'000), 1, "deeper nesting"},
                    Hostile{"DeepDash", repeat("- ", 20'000), 1, "deeper nesting"},
                    Hostile{"Huge", repeat("# comment\n", 200'000), 0, "at most 1 MiB"},
                    Hostile{"Nul", std::string("listen:\n  port: 1\0", 18), 2, "control character"},
                    Hostile{"Escape", "a: \x1b[31m", 1, "control character"},
                    Hostile{"TwoDocuments", "dev: true\n---\ndev: true\n", 3, "one document"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(HostileYaml, ShapesThatAreNoMapping) {
  for (const char* text : {"[1, 2]", "just text", "3"}) {
    const LoadResult r = load_text(text);
    ASSERT_FALSE(r.problems.empty()) << text;
    EXPECT_EQ(r.problems[0].key, "(the whole file)") << text;
  }
  for (const char* text : {"", "\n", "# only a comment\n", "---\n", "~", "listen:\nauth:\n"}) {
    EXPECT_THAT(load_text(text).problems, SizeIs(1)) << text;  // only what the defaults lack
  }
}

TEST(HostileYaml, ALargeHonestFileIsFine) {
  std::string yaml = "signaling: {token: t}\nauth:\n  users:\n";
  for (int i = 0; i < 10'000; ++i) yaml += "    - \"user" + std::to_string(i) + ":password\"\n";
  EXPECT_THAT(load_text(yaml).config.auth.users, SizeIs(10'000));
}

TEST(HostileYaml, ManyBadItemsStayCheap) {
  std::string yaml = "dev: true\nlisten:\n  bind:\n";
  for (int i = 0; i < 50'000; ++i) yaml += "    - x\n";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(load_text(yaml).problems, SizeIs(50'000));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(HostileYaml, ManyUnknownKeysStayCheap) {
  std::string yaml = "dev: true\nlisten:\n";
  for (int i = 0; i < 50'000; ++i) yaml += "  port" + std::to_string(i) + ": 1\n";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(load_text(yaml).problems, SizeIs(50'000));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

// Each secret key, in each layer and in each wrong shape: the value is in no problem and not in the print.
TEST(Secrets, NeverShow) {
  const std::string hush = "HUSH-0123456789";
  for (const KeyInfo& key : keys()) {
    if (!key.secret) continue;
    const std::string section = key.path.substr(0, key.path.find('.'));
    const std::string leaf = key.path.substr(key.path.find('.') + 1);
    const std::string bad = hush + "\\x01";  // a control character: refused by each secret key
    const std::vector<std::string> values = {hush,
                                             '[' + hush + ']',
                                             "[\"" + bad + "\"]",
                                             '"' + bad + '"',
                                             "{a: " + hush + '}',
                                             '{' + hush + ": a}",
                                             "[[" + hush + "]]",
                                             "[{a: " + hush + "}]",
                                             "[\"name:" + hush + "\"]",
                                             "[\"name:" + bad + "\"]",
                                             "[\":" + hush + "\"]",
                                             "[\"\", " + hush + "]",
                                             "\"" + hush,
                                             "[" + hush,
                                             "'" + hush + "' " + hush,
                                             "&a " + hush + "\nb: *a"};
    for (const std::string& value : values) {
      const LoadResult r = load_text(section + ":\n  " + leaf + ": " + value + "\n");
      EXPECT_EQ(to_text(r.problems).find("HUSH"), std::string::npos)
          << key.path << ' ' << value << to_text(r.problems);
      EXPECT_EQ(print(r.config).find("HUSH"), std::string::npos) << key.path << ' ' << value;
    }
    for (const std::string& value : {hush, hush + '\x01', "name:" + hush, hush + ',' + hush + '\x02'}) {
      const LoadResult env = load_text("", {{key.environment, value}});
      const LoadResult flag = load_text("", {}, {{key.path, value, key.flag}});
      for (const LoadResult* r : {&env, &flag}) {
        EXPECT_EQ(to_text(r->problems).find("HUSH"), std::string::npos) << key.path;
        EXPECT_EQ(print(r->config).find("HUSH"), std::string::npos) << key.path;
      }
    }
  }
}

}  // namespace
}  // namespace ts::config
