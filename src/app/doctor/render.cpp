// SPDX-License-Identifier: Apache-2.0
#include "render.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "../probe/text.hpp"

namespace ts::app::doctor {
namespace {

constexpr std::size_t kLongestText = 2000;

struct Look {
  const char* mark;
  const char* word;
  const char* colour;
};

const Look& look_of(Verdict verdict) {
  static constexpr Look kLooks[] = {{"✓", "ok", "\x1b[32m"},
                                    {"?", "not_known", "\x1b[36m"},
                                    {"!", "warning", "\x1b[33m"},
                                    {"✗", "fault", "\x1b[31m"}};
  return kLooks[static_cast<std::size_t>(verdict)];
}

std::size_t count_of(const Findings& findings, Verdict verdict) {
  return static_cast<std::size_t>(std::count_if(findings.begin(), findings.end(),
                                                [&](const Finding& f) { return f.verdict == verdict; }));
}

std::string counted(std::size_t count, const char* what) {
  return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s");
}

std::string summary(const Findings& findings) {
  return counted(count_of(findings, Verdict::Fault), "fault") + ", " +
         counted(count_of(findings, Verdict::Warning), "warning") + ", " +
         std::to_string(count_of(findings, Verdict::Unknown)) + " not known, " +
         std::to_string(count_of(findings, Verdict::Ok)) + " ok\n";
}

}  // namespace

bool has_fault(const Findings& findings) { return count_of(findings, Verdict::Fault) != 0; }

std::string to_text(const Findings& findings, bool colours) {
  std::size_t width = 0;
  for (const Finding& f : findings) width = std::max(width, probe::columns(f.check));
  const std::string margin(width + 4, ' ');
  std::string out;
  for (const Finding& f : findings) {
    const Look& look = look_of(f.verdict);
    out += colours ? std::string(look.colour) + look.mark + "\x1b[0m" : std::string(look.mark);
    out += ' ' + f.check + std::string(width - probe::columns(f.check) + 2, ' ');
    if (f.verdict == Verdict::Unknown) out += "not known: ";
    out += probe::printable(f.found, kLongestText) + '\n';
    if (!f.expected.empty()) out += margin + "expected: " + probe::printable(f.expected, kLongestText) + '\n';
    if (!f.remedy.empty()) out += margin + "→ " + probe::printable(f.remedy, kLongestText) + '\n';
  }
  return out + '\n' + summary(findings);
}

std::string to_json(const Findings& findings) {
  nlohmann::json all = nlohmann::json::array();
  for (const Finding& f : findings) {
    nlohmann::json one{{"check", f.check}, {"verdict", look_of(f.verdict).word}, {"found", f.found}};
    if (!f.expected.empty()) one["expected"] = f.expected;
    if (!f.remedy.empty()) one["remedy"] = f.remedy;
    all.push_back(std::move(one));
  }
  const nlohmann::json document{{"ok", !has_fault(findings)},
                                {"faults", count_of(findings, Verdict::Fault)},
                                {"warnings", count_of(findings, Verdict::Warning)},
                                {"not_known", count_of(findings, Verdict::Unknown)},
                                {"findings", std::move(all)}};
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

}  // namespace ts::app::doctor
