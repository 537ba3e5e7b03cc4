// SPDX-License-Identifier: Apache-2.0
// The JSON scanner: RFC 8259's grammar by table, and against nlohmann/json on mutated texts.
#include <cmath>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <turnstone/dialect/json.hpp>

namespace ts::dialect::json {
namespace {

using Oracle = nlohmann::json;

/// valid() on a buffer of exactly the text's size, so that a read past its end is seen.
bool valid_exactly(const std::string& text) {
  const auto copy = std::make_unique<char[]>(text.size());
  text.copy(copy.get(), text.size());
  return valid(std::string_view(copy.get(), text.size()));
}

TEST(JsonScanner, Table) {
  const std::vector<std::pair<std::string, bool>> cases{
      {"0", true},
      {"-0", true},
      {"-", false},
      {"01", false},
      {"1.", false},
      {".5", false},
      {"+1", false},
      {"1e5", true},
      {"1E-5", true},
      {"1e+", false},
      {"1e", false},
      {"1.5e3", true},
      {"0x10", false},
      {"1e999999", true},
      {std::string(10'000, '9'), true},
      {"NaN", false},
      {"Infinity", false},
      {"true", true},
      {"tru", false},
      {"truE", false},
      {"true false", false},
      {"null", true},
      {"nul", false},
      {" \t\n\r null \t\n\r", true},
      {"\f1", false},
      {"\xEF\xBB\xBF{}", false},
      {"", false},
      {" ", false},
      {"[]", true},
      {"[ ]", true},
      {"[,]", false},
      {"[1,]", false},
      {"[,1]", false},
      {"[1 2]", false},
      {"[1,2]", true},
      {"[", false},
      {"]", false},
      {"[1}", false},
      {"[[],[[]],{}]", true},
      {"{}", true},
      {"{ }", true},
      {"{,}", false},
      {R"({"a":1})", true},
      {R"({"a":1,})", false},
      {R"({"a":1,,"b":2})", false},
      {R"({"a" : 1 , "b" : [ ] })", true},
      {R"({"a"})", false},
      {R"({"a":})", false},
      {R"({a:1})", false},
      {R"({'a':1})", false},
      {R"({1:1})", false},
      {R"({"a":1,"a":2})", true},
      {R"({"a":1]})", false},
      {R"("")", true},
      {R"("abc")", true},
      {R"("abc)", false},
      {"\"", false},
      {R"("\"\\\/\b\f\n\r\t")", true},
      {R"("\a")", false},
      {R"("\)", false},
      {R"("\u00e9")", true},
      {R"("\u00E9\u0000")", true},
      {R"("\u00g9")", false},
      {R"("\u00e")", false},
      {R"("\ud83d\ude00")", true},
      {R"("\ud83d")", false},
      {R"("\ud83d\u0041")", false},
      {R"("\ud83dx")", false},
      {R"("\ude00")", false},
      {"\"a\nb\"", false},
      {std::string("\"a\0b\"", 5), false},
      {"\"\x1F\"", false},
      {"\"\x7F\"", true},
      {"\"\xC3\xA9\"", true},
      {"\"\xF0\x9F\x98\x80\"", true},
      {"\"\xC3\"", false},
      {"\"\xC0\x80\"", false},
      {"\"\xE0\x80\x80\"", false},
      {"\"\xED\xA0\x80\"", false},
      {"\"\xF4\x90\x80\x80\"", false},
      {"\"\xFF\"", false},
      {"\"\xE2\x82", false},
      {"// x\n1", false},
      {"1/**/", false},
      {std::string(32, '[') + std::string(32, ']'), true},
      {std::string(33, '[') + std::string(33, ']'), false},
      {std::string(1'000'000, '['), false},
      {std::string(1'000'000, '{'), false},
      {"[" + std::string(31, '[') + std::string(31, ']') + "," + std::string(31, '[') + std::string(31, ']') +
           "]",
       true},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(valid_exactly(text), expected) << text.substr(0, 80);
  }
}

TEST(JsonScanner, EveryByteAtEveryPlaceOfAString) {
  for (int byte = 0; byte < 256; ++byte) {
    for (std::size_t at = 0; at < 20; ++at) {
      std::string text = "\"" + std::string(20, 'x') + "\"";
      text[1 + at] = static_cast<char>(byte);
      const bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
      EXPECT_EQ(valid_exactly(text), plain) << byte << " at " << at;
    }
  }
}

/// What we let pass or refuse on purpose, and the oracle does not.
bool comparable(const std::string& text) {
  if (text.starts_with("\xEF\xBB\xBF")) return false;  // it skips a byte order mark
  int depth = 0;
  for (const char c : text) depth += c == '[' || c == '{';
  return depth <= static_cast<int>(kMaxDepth);
}

bool oracle_accepts(const std::string& text) {
  if (Oracle::accept(text)) return true;
  // It refuses numbers that no double can hold; their grammar is right nevertheless.
  try {
    const Oracle unused = Oracle::parse(text);
  } catch (const Oracle::out_of_range&) {
    return valid(text);
  } catch (const Oracle::exception&) {
  }
  return false;
}

TEST(JsonScanner, AgreesWithTheOracleOnMutatedTexts) {
  const std::vector<std::string> seeds{
      R"({"t":"send","id":"17","room":"r","to":["a","b"],"kind":"offer","data":{"sdp":"v=0\r\n","n":-1.5e+3}})",
      R"({"t":"hello","v":1,"token":"\u00e9\ud83d\ude00","meta":[null,true,false,{},[],""]})",
      "{\"a\\u0074\":\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\",\"b\" : [ 0 , 10.25E-2 ]\n}",
      R"([1,-0,0.1,1e1,"\\\"\/",{"k":{"k":{"k":[[[[]]]]}}}])"};
  const std::string alphabet =
      "\"\\{}[]:,0123456789.eE+-truefalsn u\n\t\x01\x7F\x80\xC2\xE0\xED\xF0\xF4\xFF/";
  std::mt19937 random(1);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  int accepted = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string text = seeds[below(seeds.size())];
    for (std::size_t edits = below(4); edits > 0 && !text.empty(); --edits) {
      const std::size_t at = below(text.size());
      switch (below(4)) {
        case 0: text[at] = alphabet[below(alphabet.size())]; break;
        case 1: text.erase(at, 1 + below(3)); break;
        case 2: text.insert(at, 1, alphabet[below(alphabet.size())]); break;
        default: text.insert(at, text.substr(below(text.size()), below(8))); break;
      }
    }
    if (!comparable(text)) continue;
    const bool ours = valid_exactly(text);
    accepted += ours;
    ASSERT_EQ(ours, oracle_accepts(text)) << text;
  }
  EXPECT_GT(accepted, 10'000);
}

TEST(JsonScanner, MembersAreRawSlicesInOrder) {
  std::string seen;
  ASSERT_TRUE(for_each_member(R"( {"a" : [1, 2] ,"b\u0063":"x\ny","a":{"n":1}} )",
                              [&](const Value& key, const Value& value) {
                                seen.append(key.raw).append("=").append(value.raw).append(";");
                              }));
  EXPECT_EQ(seen, R"("a"=[1, 2];"b\u0063"="x\ny";"a"={"n":1};)");
  const auto nothing = [](const Value&, const Value&) {};
  for (const char* text : {"[]", "1", "", "{", "{}x", "{}{}", "null", R"({"a":1)", R"({"a":1}])"}) {
    EXPECT_FALSE(for_each_member(text, nothing)) << text;
  }
}

TEST(JsonScanner, Elements) {
  std::string seen;
  ASSERT_TRUE(
      for_each_element(R"([1,"a",[2], {} ])", [&](const Value& v) { seen.append(v.raw).append(";"); }));
  EXPECT_EQ(seen, R"(1;"a";[2];{};)");
  EXPECT_FALSE(for_each_element("{}", [](const Value&) {}));
}

TEST(JsonScanner, DecodeAgreesWithTheOracle) {
  for (const std::string text :
       {R"("")", R"("plain")", R"("\"\\\/\b\f\n\r\t")", R"("a\u0041\u00e9\u20ac\ud83d\ude00z")",
        R"("\u0000")", "\"\xC3\xA9\\n\xF0\x9F\x98\x80\"", R"("\uD83D\uDE00\uDBFF\uDFFF")", R"("\\u0041")"}) {
    std::string storage = "before";
    EXPECT_EQ(decode(Value{Kind::String, text}, storage), Oracle::parse(text).get<std::string>()) << text;
  }
}

TEST(JsonScanner, Integers) {
  const std::vector<std::pair<std::string, std::optional<std::uint64_t>>> cases{
      {"0", 0},
      {"1500", 1500},
      {"999999999999999999", 999999999999999999ULL},
      {"-1", {}},
      {"1.0", {}},
      {"1e3", {}},
      {"1000000000000000000", {}},
      {std::string(5000, '9'), {}}};
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(to_integer(Value{Kind::Number, text}), expected) << text;
  EXPECT_EQ(to_integer(Value{Kind::String, "\"1\""}), std::nullopt);
}

TEST(JsonScanner, StringsSurviveTheRoundTrip) {
  std::mt19937 random(2);
  for (int round = 0; round < 5'000; ++round) {
    std::string text;
    for (auto n = random() % 12; n > 0; --n) {
      static const std::vector<std::string> parts{"a",
                                                  "\"",
                                                  "\\",
                                                  "\n",
                                                  "\x01",
                                                  "\x1F",
                                                  "\x7F",
                                                  "\xC3\xA9",
                                                  "\xF0\x9F\x98\x80",
                                                  "/",
                                                  std::string(1, '\0'),
                                                  "plain text"};
      text += parts[random() % parts.size()];
    }
    std::string out;
    append_string(out, text);
    ASSERT_TRUE(valid_exactly(out));
    ASSERT_EQ(Oracle::parse(out).get<std::string>(), text);
    std::string storage;
    ASSERT_EQ(decode(Value{Kind::String, out}, storage), text);
  }
  std::string out;
  append_string(out, "a\xFF\xC3");
  EXPECT_EQ(out, "\"a\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace ts::dialect::json
