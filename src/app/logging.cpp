// SPDX-License-Identifier: Apache-2.0
// Lines are put together here; spdlog adds time and level, and writes them.
#include <cmath>
#include <memory>

#include <nlohmann/json.hpp>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>

#include <turnstone/app/logging.hpp>

namespace ts::app::log {
namespace {

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";

struct State {
  std::shared_ptr<spdlog::logger> logger;
  bool json = false;
};

/// Our levels are spdlog's but for Critical.
spdlog::level::level_enum spdlog_level(Level level) noexcept {
  return level == Level::Off ? spdlog::level::off : static_cast<spdlog::level::level_enum>(level);
}

State make_state(const config::LogOptions& options) {
  State out;
  out.json = options.format == config::LogFormat::Json;
  auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>(
      out.json ? spdlog::color_mode::never : spdlog::color_mode::automatic);
  out.logger = std::make_shared<spdlog::logger>("turnstone", std::move(sink));
  out.logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      out.json ? kJsonPattern : kTextPattern, spdlog::pattern_time_type::utc));
  out.logger->set_level(spdlog_level(options.level));
  out.logger->flush_on(spdlog::level::info);
  return out;
}

State& state() {
  static State instance = make_state({});
  return instance;
}

/// A JSON string; bytes that are not UTF-8 become U+FFFD.
std::string quoted(std::string_view text, bool ascii) {
  return nlohmann::json(text).dump(-1, ' ', ascii, nlohmann::json::error_handler_t::replace);
}

/// May stand in a text line without quotes?
bool is_plain(std::string_view text) {
  constexpr std::string_view kOthers = "-_.:/@+%[]*,";
  for (const char c : text) {
    const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alphanumeric && kOthers.find(c) == std::string_view::npos) return false;
  }
  return !text.empty();
}

std::string number(double value) {
  return std::isfinite(value) ? nlohmann::json(value).dump() : std::string("null");
}

template <class Text>
std::string value_text(const Field& field, Text text) {
  struct Visitor {
    Text& text;
    std::string operator()(std::string_view v) const { return text(v); }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(std::uint64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return number(v); }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
  };
  return std::visit(Visitor{text}, field.value);
}

}  // namespace

void set_up(const config::LogOptions& options) { state() = make_state(options); }

void set_level(Level level) noexcept { state().logger->set_level(spdlog_level(level)); }

Level level() noexcept {
  const spdlog::level::level_enum now = state().logger->level();
  return now == spdlog::level::off ? Level::Off : static_cast<Level>(now);
}

bool enabled(Level level) noexcept {
  return level != Level::Off && state().logger->should_log(static_cast<spdlog::level::level_enum>(level));
}

void write(Level level, std::string_view message, Fields fields) {
  if (!enabled(level)) return;
  const State& s = state();
  const std::string line = s.json ? format_json(message, fields) : format_text(message, fields);
  s.logger->log(static_cast<spdlog::level::level_enum>(level),
                spdlog::string_view_t(line.data(), line.size()));
}

std::string format_text(std::string_view message, Fields fields) {
  const auto text = [](std::string_view v) { return is_plain(v) ? std::string(v) : quoted(v, true); };
  // A message may have spaces, but nothing that would need an escape.
  const std::string escaped = quoted(message, true);
  std::string out = escaped.substr(1, escaped.size() - 2);
  for (const Field& field : fields) out += ' ' + std::string(field.key) + '=' + value_text(field, text);
  return out;
}

std::string format_json(std::string_view message, Fields fields) {
  const auto text = [](std::string_view v) { return quoted(v, false); };
  std::string out = "\"message\":" + quoted(message, false);
  for (const Field& field : fields) out += ',' + quoted(field.key, false) + ':' + value_text(field, text);
  return out;
}

}  // namespace ts::app::log
