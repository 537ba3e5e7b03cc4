// SPDX-License-Identifier: Apache-2.0
// OpaqueString by the examples of RFC 8265 §4.3, SASLprep by those of RFC 4013 §3, and each other's
// differences.
#include <gtest/gtest.h>

#include <turnstone/base/precis.hpp>

namespace ts {
namespace {

using Maybe = std::optional<std::string>;

// RFC 8265 §4.2 MUST: OpaqueString maps spaces, applies NFC, and refuses what FreeformClass disallows
TEST(OpaqueString, Table) {
  const struct {
    const char* what;
    std::string text;
    Maybe prepared;
  } table[] = {
      {"example 12", "correct horse battery staple", "correct horse battery staple"},
      {"example 13: case is kept", "Correct Horse Battery Staple", "Correct Horse Battery Staple"},
      {"example 14", "\xcf\x80\xc3\x9f\xc3\xa5", "\xcf\x80\xc3\x9f\xc3\xa5"},
      {"example 15: a symbol", "Jack of \xe2\x99\xa6s", "Jack of \xe2\x99\xa6s"},
      {"example 16: OGHAM SPACE MARK",
       "foo\xe1\x9a\x80"
       "bar",
       "foo bar"},
      {"example 17: empty", "", std::nullopt},
      {"example 18: a control",
       "my cat is a \x09"
       "by",
       std::nullopt},
      {"NO-BREAK SPACE",
       "a\xc2\xa0"
       "b",
       "a b"},
      {"NFC", "e\xcc\x81", "\xc3\xa9"},
      {"ANGSTROM SIGN is A WITH RING", "\xe2\x84\xab", "\xc3\x85"},
      {"compatibility stays", "\xe2\x85\xa8\xc2\xaa", "\xe2\x85\xa8\xc2\xaa"},
      {"fullwidth stays", "\xef\xbc\xa1", "\xef\xbc\xa1"},
      {"SOFT HYPHEN is ignorable", "The\xc2\xadMatrix", std::nullopt},
      {"ZERO WIDTH SPACE", "a\xe2\x80\x8b", std::nullopt},
      {"ZERO WIDTH JOINER is contextual", "a\xe2\x80\x8d", "a\xe2\x80\x8d"},
      {"private use", "\xee\x80\x80", std::nullopt},
      {"unassigned", "\xcd\xb8", std::nullopt},
      {"a noncharacter", "\xef\xbf\xbf", std::nullopt},
      {"old Hangul jamo", "\xe1\x84\x80", std::nullopt},
      {"ARABIC TATWEEL", "\xd9\x80", std::nullopt},
      {"DELETE", "a\x7f", std::nullopt},
      {"LINE SEPARATOR", "\xe2\x80\xa8", std::nullopt},
      {"not UTF-8", "\xff", std::nullopt},
      {"overlong", "\xc0\xaf", std::nullopt},
      {"a surrogate", "\xed\xa0\x80", std::nullopt},
      {"cut short", "a\xe3\x83", std::nullopt},
      {"RFC 5769's name", "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9",
       "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9"},
      {"beyond the BMP", "\xf0\x9f\x94\x91", "\xf0\x9f\x94\x91"},
  };
  for (const auto& row : table) EXPECT_EQ(opaque_string(row.text), row.prepared) << row.what;
}

TEST(Saslprep, Table) {
  const struct {
    const char* what;
    std::string text;
    Maybe prepared;
  } table[] = {
      {"RFC 4013 example 1", "I\xc2\xadX", "IX"},
      {"RFC 4013 example 2", "user", "user"},
      {"RFC 4013 example 3", "USER", "USER"},
      {"RFC 4013 example 4", "\xc2\xaa", "a"},
      {"RFC 4013 example 5", "\xe2\x85\xa8", "IX"},
      {"RFC 4013 example 6", "\x07", std::nullopt},
      {"RFC 5769's password", "The\xc2\xadM\xc2\xaatr\xe2\x85\xa8", "TheMatrIX"},
      {"NO-BREAK SPACE",
       "a\xc2\xa0"
       "b",
       "a b"},
      {"nothing but what is mapped to nothing", "\xc2\xad", std::nullopt},
      {"empty", "", std::nullopt},
      {"not UTF-8", "\xff", std::nullopt},
  };
  for (const auto& row : table) EXPECT_EQ(saslprep(row.text), row.prepared) << row.what;
}

TEST(PreparedForms, EachOnceAndOneForAscii) {
  using Forms = std::vector<std::string>;
  EXPECT_EQ(prepared_forms("a long password"), Forms{"a long password"});
  EXPECT_EQ(prepared_forms(""), Forms{""});
  EXPECT_EQ(prepared_forms("tab\x09"), Forms{"tab\x09"});
  EXPECT_EQ(prepared_forms("\xff"), Forms{"\xff"});
  EXPECT_EQ(prepared_forms("e\xcc\x81\xe2\x85\xa8"), (Forms{"\xc3\xa9\xe2\x85\xa8", "e\xcc\x81\xe2\x85\xa8",
                                                            "\xc3\xa9"
                                                            "IX"}));
  EXPECT_EQ(prepared_forms("The\xc2\xadM\xc2\xaatr\xe2\x85\xa8"),
            (Forms{"The\xc2\xadM\xc2\xaatr\xe2\x85\xa8", "TheMatrIX"}));
}

TEST(PlainAscii, IsWhatEveryFormLeavesAlone) {
  EXPECT_TRUE(is_plain_ascii(""));
  EXPECT_TRUE(is_plain_ascii(" ~"));
  EXPECT_FALSE(is_plain_ascii("\x1f"));
  EXPECT_FALSE(is_plain_ascii("\x7f"));
  EXPECT_FALSE(is_plain_ascii("\xc3\xa9"));
}

}  // namespace
}  // namespace ts
