// SPDX-License-Identifier: Apache-2.0
// Unicode's tables are libunistring's.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include <turnstone/base/bytes.hpp>
#include <turnstone/base/precis.hpp>

namespace ts {
namespace {

using CodePoints = std::u32string;

std::optional<CodePoints> decode(std::string_view utf8) {
  if (!is_utf8(utf8)) return std::nullopt;
  CodePoints out;
  const ByteView bytes = as_bytes(utf8);
  for (std::size_t at = 0; at < bytes.size();) {
    ucs4_t c = 0;
    at += static_cast<std::size_t>(u8_mbtouc(&c, bytes.data() + at, bytes.size() - at));
    out.push_back(c);
  }
  return out;
}

/// Nothing when there is no memory.
std::optional<std::string> normalise(const CodePoints& text, uninorm_t form) {
  struct Free {
    void operator()(void* p) const noexcept { std::free(p); }
  };
  std::vector<std::uint32_t> code_points(text.begin(), text.end());
  std::size_t count = 0;
  const std::unique_ptr<std::uint32_t, Free> normal(
      u32_normalize(form, code_points.data(), code_points.size(), nullptr, &count));
  if (!normal) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint8_t utf8[6];
    const int size = u8_uctomb(utf8, normal.get()[i], sizeof utf8);
    if (size > 0) out += as_text({utf8, static_cast<std::size_t>(size)});
  }
  return out;
}

bool has_category(ucs4_t c, std::uint32_t mask) noexcept { return uc_is_general_category_withtable(c, mask); }

bool is_space(ucs4_t c) noexcept { return has_category(c, UC_CATEGORY_MASK_Zs); }

/// RFC 8264 §9.9: conjoining Hangul jamo.
bool is_old_hangul_jamo(ucs4_t c) noexcept {
  return (c >= 0x1100 && c <= 0x11FF) || (c >= 0xA960 && c <= 0xA97C) || (c >= 0xD7B0 && c <= 0xD7FB);
}

/// RFC 8264 §9.6 by RFC 5892 §2.6: the exceptions that are disallowed.
bool is_disallowed_exception(ucs4_t c) noexcept {
  return c == 0x0640 || c == 0x07FA || c == 0x302E || c == 0x302F || (c >= 0x3031 && c <= 0x3035) ||
         c == 0x303B;
}

/// RFC 8264 §8, for the FreeformClass.
bool is_freeform(ucs4_t c) noexcept {
  constexpr std::uint32_t kDisallowed = UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cf | UC_CATEGORY_MASK_Cs |
                                        UC_CATEGORY_MASK_Co | UC_CATEGORY_MASK_Cn | UC_CATEGORY_MASK_Zl |
                                        UC_CATEGORY_MASK_Zp;
  constexpr ucs4_t kZeroWidthNonJoiner = 0x200C;
  constexpr ucs4_t kZeroWidthJoiner = 0x200D;
  if (is_disallowed_exception(c)) return false;
  if (c == kZeroWidthNonJoiner || c == kZeroWidthJoiner) return true;
  if (is_old_hangul_jamo(c) || uc_is_property_default_ignorable_code_point(c)) return false;
  return !has_category(c, kDisallowed);
}

/// RFC 3454, table B.1.
bool is_mapped_to_nothing(ucs4_t c) noexcept {
  return c == 0x00AD || c == 0x034F || c == 0x1806 || (c >= 0x180B && c <= 0x180D) ||
         (c >= 0x200B && c <= 0x200D) || c == 0x2060 || (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF;
}

}  // namespace

bool is_plain_ascii(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

bool is_utf8(std::string_view text) noexcept {
  return u8_check(as_bytes(text).data(), text.size()) == nullptr;
}

std::optional<std::string> opaque_string(std::string_view utf8) {
  if (utf8.empty()) return std::nullopt;
  if (is_plain_ascii(utf8)) return std::string(utf8);
  auto text = decode(utf8);
  if (!text || !std::all_of(text->begin(), text->end(), is_freeform)) return std::nullopt;
  std::replace_if(text->begin(), text->end(), is_space, U' ');
  return normalise(*text, UNINORM_NFC);
}

std::optional<std::string> saslprep(std::string_view utf8) {
  if (utf8.empty()) return std::nullopt;
  if (is_plain_ascii(utf8)) return std::string(utf8);
  auto text = decode(utf8);
  if (!text) return std::nullopt;
  // U+200B is a space to table C.1.2 and nothing to table B.1; libraries let it go.
  std::erase_if(*text, is_mapped_to_nothing);
  std::replace_if(text->begin(), text->end(), is_space, U' ');
  if (text->empty() || std::any_of(text->begin(), text->end(),
                                   [](ucs4_t c) { return has_category(c, UC_CATEGORY_MASK_Cc); })) {
    return std::nullopt;
  }
  return normalise(*text, UNINORM_NFKC);
}

std::vector<std::string> prepared_forms(std::string_view text) {
  std::vector<std::string> out;
  const auto add = [&out](std::optional<std::string> form) {
    if (form && std::find(out.begin(), out.end(), *form) == out.end()) out.push_back(std::move(*form));
  };
  add(opaque_string(text));
  add(std::string(text));
  add(saslprep(text));
  return out;
}

}  // namespace ts
