// SPDX-License-Identifier: Apache-2.0
// From YAML text, environment and command line to a Config, or to every problem at once.
// Precedence: command line, environment, file, default. Start-up only; one thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/config/config.hpp>

namespace ts {
class RandomSource;
}

namespace ts::config {

/// One thing the operator has to change. No member ever holds the value of a secret.
struct Problem {
  /// "turnstone.yaml:12", "TURNSTONE_LISTEN_PORT" or "--port"; empty for a default.
  std::string source;
  /// 1-based line in the file; 0 when the source is not a line.
  int line = 0;
  /// Dotted path; several are separated by ", ".
  std::string key;
  std::string expected;
  std::string found;
  /// What to do about it.
  std::string remedy;

  /// "source: key: expected …, found …" and the remedy on an indented line of its own; no final newline.
  std::string to_string() const;
};

struct LoadResult {
  /// Usable only when there is no problem.
  Config config;
  std::vector<Problem> problems;
  /// What works, but better would not be so.
  std::vector<Problem> warnings;

  bool ok() const noexcept { return problems.empty(); }
};

/// A value from the command line. Several for one list key make one list.
struct Override {
  std::string key;
  std::string value;
  /// For messages: "--port".
  std::string flag;
};

/// TURNSTONE_<SECTION>_<KEY> → value. Empty values count as not set.
using Environment = std::map<std::string, std::string, std::less<>>;

/// A file's text, or why there is none.
struct FileText {
  std::string text;
  /// Empty on success; else such as "No such file or directory".
  std::string error;
};
using FileReader = std::function<FileText(const std::string& path)>;

/// Files over this size are refused.
inline constexpr std::size_t kMaxFileBytes = 1U << 20;

/// Reads a file of at most kMaxFileBytes: the one place of this layer that touches the file system.
FileText read_file(const std::string& path);

/// The TURNSTONE_ part of a null-terminated list of NAME=VALUE, as of environ.
Environment environment_from(const char* const* entries);

/// Builds a Config out of YAML text (may be empty). Secret files and certificates are looked at through
/// `reader`. `file_name` is for messages only.
LoadResult load(std::string_view yaml_text, std::string_view file_name, const Environment& environment,
                std::span<const Override> overrides, const FileReader& reader = read_file);

/// The same from a file; an empty path is an empty file.
LoadResult load_file(const std::string& path, const Environment& environment,
                     std::span<const Override> overrides, const FileReader& reader = read_file);

/// What keys of a configuration say against each other, as load() finds it; without places.
std::vector<Problem> contradictions(const Config& config, const FileReader& reader = read_file);

/// The credentials of a loaded configuration with its users and secrets files read anew.
struct CredentialsResult {
  auth::Options auth;
  std::vector<Problem> problems;
};
CredentialsResult reload_credentials(const Config& config, const FileReader& reader = read_file);

/// "250ms", "10s", "5m", "1h" or "1d"; nothing when it is none of these.
std::optional<std::chrono::milliseconds> duration_from(std::string_view text);

/// Problems as lines of text, one after the other, each with a final newline.
std::string to_text(std::span<const Problem> problems);

/// What dev mode adds where nothing was configured: a random shared secret, open signaling, a self-signed
/// certificate, private peers, and relay addresses (those of listen.bind, else 127.0.0.1). No-op unless
/// config.dev.
void apply_dev_defaults(Config& config, RandomSource& random);

/// How far an address can be reached: 2 from the internet, 1 from its own private network, 0 from nowhere
/// that matters here (loopback, link-local, multicast, unspecified).
int reach(const IpAddress& address);

/// Fills relay.addresses when it is empty, and the families that relay.discover has not found: a specific
/// address of listen.bind, else the first of `host_addresses` that is global, else the first private one; one
/// a family. Returns a problem when the relay is left without any.
std::vector<Problem> fill_relay_addresses(Config& config, std::span<const IpAddress> host_addresses);

}  // namespace ts::config
