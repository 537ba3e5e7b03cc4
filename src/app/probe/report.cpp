// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "text.hpp"

namespace ts::app::probe {
namespace {

constexpr std::size_t kNameColumns = 20;
constexpr std::size_t kTimeColumns = 10;

double milliseconds(Duration took) { return std::chrono::duration<double, std::milli>(took).count(); }

std::string time_text(Duration took) {
  char text[32];
  const int size = std::snprintf(text, sizeof text, "%.1f ms", milliseconds(took));
  return std::string(text, static_cast<std::size_t>(std::clamp(size, 0, 31)));
}

std::string_view mark(Outcome outcome) {
  switch (outcome) {
    case Outcome::Passed: return "✓";
    case Outcome::Warned: return "!";
    case Outcome::Failed: return "✗";
    case Outcome::Skipped: return "-";
  }
  return "?";
}

std::string_view word(Outcome outcome) {
  switch (outcome) {
    case Outcome::Passed: return "passed";
    case Outcome::Warned: return "warning";
    case Outcome::Failed: return "failed";
    case Outcome::Skipped: return "skipped";
  }
  return "";
}

std::string padding(std::size_t wanted, std::string_view text) {
  const std::size_t have = columns(text);
  return std::string(have < wanted ? wanted - have : 0, ' ');
}

const Step* find_step(const Attempt& attempt, Outcome outcome) {
  const auto found = std::find_if(attempt.steps.begin(), attempt.steps.end(),
                                  [outcome](const Step& step) { return step.outcome == outcome; });
  return found == attempt.steps.end() ? nullptr : &*found;
}

std::string step_line(const Step& step) {
  const std::string time = time_text(step.took);
  std::string out = "  ";
  out.append(mark(step.outcome)).append(" ").append(step.name).append(padding(kNameColumns, step.name));
  out.append(padding(kTimeColumns, time)).append(time);
  if (!step.detail.empty()) out.append("  ").append(step.detail);
  return out + '\n';
}

nlohmann::json json_of(const Step& step) {
  nlohmann::json out{{"name", step.name},
                     {"outcome", word(step.outcome)},
                     {"ms", milliseconds(step.took)},
                     {"detail", step.detail}};
  if (!step.remedy.empty()) out["remedy"] = step.remedy;
  for (const auto& [key, value] : step.facts) {
    std::visit([&out, &key = key](const auto& v) { out["facts"][key] = v; }, value);
  }
  return out;
}

nlohmann::json json_of(const Report& report) {
  nlohmann::json attempts = nlohmann::json::array();
  for (const Attempt& attempt : report.attempts) {
    nlohmann::json steps = nlohmann::json::array();
    for (const Step& step : attempt.steps) steps.push_back(json_of(step));
    attempts.push_back({{"address", attempt.address},
                        {"transport", to_lower(attempt.carrier)},
                        {"ok", attempt.passed()},
                        {"steps", std::move(steps)}});
  }
  nlohmann::json out{
      {"url", report.url}, {"ok", report.ok}, {"verdict", report.verdict}, {"attempts", std::move(attempts)}};
  if (!report.remedy.empty()) out["remedy"] = report.remedy;
  return out;
}

}  // namespace

void Attempt::record(std::string name, Duration took, Note note) {
  steps.push_back(Step{std::move(name), note.warning ? Outcome::Warned : Outcome::Passed, took,
                       std::move(note.detail), std::move(note.remedy), std::move(note.facts)});
}

void Attempt::record(std::string name, Duration took, Problem problem) {
  const Outcome outcome = problem.unreachable_from_here ? Outcome::Skipped : Outcome::Failed;
  steps.push_back(
      Step{std::move(name), outcome, took, std::move(problem.what), std::move(problem.remedy), {}});
}

bool Attempt::failed() const noexcept { return find_step(*this, Outcome::Failed) != nullptr; }
bool Attempt::skipped() const noexcept { return find_step(*this, Outcome::Skipped) != nullptr; }

Attempt& Report::attempt(std::string address, std::string_view carrier) {
  return attempts.emplace_back(Attempt{std::move(address), std::string(carrier), {}});
}

void Report::conclude() {
  std::size_t good = 0;
  std::string where;
  const Step* worst = nullptr;
  const Step* warned = nullptr;
  for (const Attempt& attempt : attempts) {
    const Step* failure = find_step(attempt, Outcome::Failed);
    if (failure == nullptr) failure = find_step(attempt, Outcome::Skipped);
    if (failure != nullptr && (worst == nullptr || worst->outcome == Outcome::Skipped)) worst = failure;
    if (warned == nullptr) warned = find_step(attempt, Outcome::Warned);
    if (attempt.address.empty() || failure != nullptr) continue;
    ++good;
    where.append(where.empty() ? "" : ", ").append(attempt.address);
  }
  ok = good > 0;
  if (!ok) {
    verdict = worst == nullptr ? "nothing to try" : worst->name + ": " + worst->detail;
    remedy = worst == nullptr ? "" : worst->remedy;
    return;
  }
  verdict = "works at " + where;
  const bool partial = worst != nullptr && worst->outcome == Outcome::Failed;
  if (partial) verdict += ", but not at every address: " + worst->name + ": " + worst->detail;
  if (!partial && warned != nullptr) verdict += "; " + warned->name + ": " + warned->detail;
  remedy = partial ? worst->remedy : warned != nullptr ? warned->remedy : "";
}

std::string to_text(const Report& report) {
  std::string out = report.url + '\n';
  for (const Attempt& attempt : report.attempts) {
    if (!attempt.address.empty())
      out.append("  ").append(attempt.address).append("  ").append(attempt.carrier) += '\n';
    for (const Step& step : attempt.steps) out.append(step_line(step));
  }
  out.append(report.ok ? "  PASS  " : "  FAIL  ").append(report.verdict) += '\n';
  if (!report.remedy.empty()) out.append("        → ").append(report.remedy) += '\n';
  return out;
}

std::string to_json(const std::vector<Report>& reports) {
  nlohmann::json results = nlohmann::json::array();
  for (const Report& report : reports) results.push_back(json_of(report));
  const bool ok = std::all_of(reports.begin(), reports.end(), [](const Report& r) { return r.ok; });
  const nlohmann::json document{{"ok", ok}, {"results", std::move(results)}};
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

}  // namespace ts::app::probe
