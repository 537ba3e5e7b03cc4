// SPDX-License-Identifier: Apache-2.0
// Preparation of user names, realms and passwords before they are hashed: OpaqueString (RFC 8265 §4.2), which
// RFC 8489 asks for, and what RFC 5389's SASLprep (RFC 4013) made of the same text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ts {

/// True when the text is printable ASCII, which every preparation leaves as it is.
bool is_plain_ascii(std::string_view text) noexcept;

/// True when the bytes are UTF-8 (RFC 3629).
bool is_utf8(std::string_view text) noexcept;

/// RFC 8265 §4.2: spaces of any kind become U+0020, then NFC; nothing when the text is empty, is not UTF-8 or
/// has a code point that the FreeformClass (RFC 8264 §4.3) disallows. Contextual rules are not looked at:
/// they depend on the language, and only make text invalid.
std::optional<std::string> opaque_string(std::string_view utf8);

/// RFC 4013 §2.1, §2.2: spaces become U+0020, code points "commonly mapped to nothing" go, then NFKC; nothing
/// when the text is empty after that or is not UTF-8. It prohibits nothing but control characters: what a
/// client refuses to send, nobody compares with.
std::optional<std::string> saslprep(std::string_view utf8);

/// What clients may hash for this text: as OpaqueString prepares it, as it is, and as SASLprep does; each
/// once, never empty. One for printable ASCII.
std::vector<std::string> prepared_forms(std::string_view text);

}  // namespace ts
