// SPDX-License-Identifier: Apache-2.0
// What a probe found out: steps with times, a verdict and a remedy a URL; as text and as JSON.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <turnstone/base/result.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/net/clock.hpp>

namespace ts::app::probe {

/// Why a step failed, and what to do about it. Both in words for people.
struct Problem {
  /// Not an aggregate: a Result<std::string, Problem> could not tell a text from a problem otherwise.
  Problem() = default;
  Problem(std::string what_it_is, std::string what_to_do, bool unreachable = false)
      : what(std::move(what_it_is)), remedy(std::move(what_to_do)), unreachable_from_here(unreachable) {}

  std::string what;
  std::string remedy;
  /// The address cannot be tried from this machine (no route); it says nothing about the server.
  bool unreachable_from_here = false;
};

/// A value for the JSON report.
using FactValue = std::variant<std::string, std::int64_t, std::vector<std::string>>;
using Facts = std::vector<std::pair<std::string, FactValue>>;

/// What a step that passed has to tell.
struct Note {
  std::string detail;
  Facts facts;
  /// It passed, but something is not as it should be; then `remedy` may say more.
  bool warning = false;
  std::string remedy;
};

enum class Outcome : std::uint8_t { Passed, Warned, Failed, Skipped };

struct Step {
  std::string name;
  Outcome outcome = Outcome::Passed;
  Duration took{};
  std::string detail;
  std::string remedy;
  Facts facts;
};

/// Steps at one address of the server, or those before there is one (`address` empty).
struct Attempt {
  std::string address;
  std::string carrier;
  std::vector<Step> steps;

  /// Does a step, times it and writes it down; `work` returns Result<Note, Problem>. True when it passed.
  template <class Work>
  bool step(std::string name, Work&& work) {
    const TimePoint begin = net::now().mono;
    auto result = work();
    const Duration took = net::now().mono - begin;
    if (result.has_value()) {
      record(std::move(name), took, std::move(*result));
    } else {
      record(std::move(name), took, std::move(result).error());
    }
    return steps.back().outcome != Outcome::Failed && steps.back().outcome != Outcome::Skipped;
  }

  void record(std::string name, Duration took, Note note);
  void record(std::string name, Duration took, Problem problem);
  bool failed() const noexcept;
  bool skipped() const noexcept;
  bool passed() const noexcept { return !failed() && !skipped(); }
};

struct Report {
  /// For printing (see redacted()).
  std::string url;
  std::vector<Attempt> attempts;
  bool ok = false;
  std::string verdict;
  std::string remedy;

  /// A further attempt. The reference is good until the next call.
  Attempt& attempt(std::string address, std::string_view carrier);
  /// Fills `ok`, `verdict` and `remedy` from the attempts: good when one address is good in all steps.
  void conclude();
};

/// Several aligned lines, the verdict last.
std::string to_text(const Report& report);
/// One JSON document of all reports.
std::string to_json(const std::vector<Report>& reports);

}  // namespace ts::app::probe
