// SPDX-License-Identifier: Apache-2.0
// What `turnstone doctor` has to say about one thing. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ts::app::doctor {

/// Unknown: it could not be found out, and `found` says why.
enum class Verdict : std::uint8_t { Ok, Unknown, Warning, Fault };

/// No member ever holds a secret. Texts that come from elsewhere are printable.
struct Finding {
  /// The check: "ports". Findings of one check follow one another.
  std::string check;
  Verdict verdict = Verdict::Ok;
  std::string found;
  /// Empty where all is well.
  std::string expected{};
  /// What to do about it; may be several lines.
  std::string remedy{};
};

using Findings = std::vector<Finding>;

inline Finding ok(std::string check, std::string found) {
  return {std::move(check), Verdict::Ok, std::move(found)};
}
inline Finding unknown(std::string check, std::string why, std::string remedy = {}) {
  return {std::move(check), Verdict::Unknown, std::move(why), {}, std::move(remedy)};
}

}  // namespace ts::app::doctor
