// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <turnstone/app/logging.hpp>

namespace ts::app::log {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json object(std::string_view message, Fields fields) {
  return json::parse('{' + format_json(message, fields) + '}');
}

/// What a hostile client may put into a username.
const std::vector<std::string> kHostile = {"",
                                           "a b",
                                           "a=b",
                                           "\"",
                                           "\\",
                                           "a\nlevel=error forged",
                                           "\r\n",
                                           "\x1b[31mred",
                                           std::string("\0x", 2),
                                           "\x7f",
                                           "\xff\xfe",
                                           "\xc3\x28",
                                           "\xe2\x80\xae"
                                           "bidi",
                                           "\xc2\x9b"
                                           "31m",
                                           "{}{0}%v%n",
                                           "\xf0\x9f\x98\x80",
                                           "\",\"level\":\"x",
                                           "\xed\xa0\x80"};

TEST(Logging, TextLinesStayOneAsciiLine) {
  for (const std::string& value : kHostile) {
    const std::string line = format_text("hello", {{"user", value}, {"after", 1}});
    for (const char c : line) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << line;
    EXPECT_TRUE(line.starts_with("hello user=")) << line;
    EXPECT_TRUE(line.ends_with(" after=1")) << line;
  }
}

TEST(Logging, JsonStaysJson) {
  for (const std::string& value : kHostile) {
    const json got = object("hello", {{"user", value}, {"n", 1}});
    EXPECT_EQ(got.size(), 3U);
    EXPECT_EQ(got["message"], "hello");
    EXPECT_EQ(got["n"], 1);
  }
  EXPECT_EQ(object("m", {{"user", "a\"\n"}})["user"], "a\"\n");
}

TEST(Logging, KindsOfValues) {
  const json got = object("m", {{"s", "x"},
                                {"i", -1},
                                {"u", std::uint64_t{18446744073709551615ULL}},
                                {"d", 1.5},
                                {"b", true},
                                {"nan", std::numeric_limits<double>::quiet_NaN()}});
  EXPECT_EQ(got["i"], -1);
  EXPECT_EQ(got["u"], 18446744073709551615ULL);
  EXPECT_EQ(got["d"], 1.5);
  EXPECT_EQ(got["b"], true);
  EXPECT_TRUE(got["nan"].is_null());
  EXPECT_EQ(format_text("listening", {{"address", "[::1]:3478"}, {"tls", false}, {"n", 7U}, {"who", "a b"}}),
            "listening address=[::1]:3478 tls=false n=7 who=\"a b\"");
}

TEST(Logging, LevelsAndFormatsReachStderr) {
  testing::internal::CaptureStderr();
  set_up({config::LogLevel::Warn, config::LogFormat::Json});
  info("hidden");
  warn("shown {}", {{"key", "{}%v"}});
  const json line = json::parse(testing::internal::GetCapturedStderr());
  EXPECT_EQ(line["message"], "shown {}");
  EXPECT_EQ(line["key"], "{}%v");
  EXPECT_EQ(line["level"], "warning");
  EXPECT_TRUE(enabled(Level::Error));
  EXPECT_FALSE(enabled(Level::Info));

  testing::internal::CaptureStderr();
  set_up({config::LogLevel::Off, config::LogFormat::Text});
  error("hidden");
  EXPECT_FALSE(enabled(Level::Off));
  set_up({config::LogLevel::Trace, config::LogFormat::Text});
  debug("shown", {{"n", 1}});
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("Z debug shown n=1\n"));
  EXPECT_EQ(text.find("hidden"), std::string::npos);
  set_up({});
}

}  // namespace
}  // namespace ts::app::log
