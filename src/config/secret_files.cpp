// SPDX-License-Identifier: Apache-2.0
// Secrets from files of their own. No message here holds anything of a file's text.
#include <algorithm>

#include "checks.hpp"
#include "codecs.hpp"
#include "schema_table.hpp"

namespace ts::config {
namespace {

/// Lines without their ends; the second is the 1-based number. Blank lines are left out.
std::vector<std::pair<std::string_view, int>> lines_of(std::string_view text) {
  std::vector<std::pair<std::string_view, int>> out;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.empty()) out.emplace_back(line, number);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

/// Reads the file that `key` names and hands each line to `take`, which returns false for one it does not
/// like.
template <class Take>
void read_lines(Loading& loading, const FileReader& reader, const std::string& key, const std::string& path,
                const std::string& expected_line, Take take) {
  if (path.empty() || loading.failed.contains(key)) return;
  const Origin origin = loading.origins[key];
  const FileText file = reader(path);
  if (!file.error.empty()) {
    loading.failed.insert(key);
    loading.problems.push_back({origin.source, origin.line, key, "a readable file",
                                '"' + excerpt(path) + "\": " + excerpt(file.error),
                                find_key(key)->info.remedy});
    return;
  }
  const auto lines = lines_of(file.text);
  if (lines.empty()) {
    loading.failed.insert(key);
    loading.problems.push_back({origin.source, origin.line, key, "a file with " + expected_line,
                                '"' + excerpt(path) + "\", which is empty", "Write it, or remove the key."});
  }
  for (const auto& [line, number] : lines) {
    if (take(line)) continue;
    loading.failed.insert(key);
    loading.problems.push_back({excerpt(path) + ':' + std::to_string(number), number, key, expected_line,
                                "something else (a secret is not shown)", "Correct this line of the file."});
  }
}

/// A token and a token file: the higher layer wins; in the same layer it is a contradiction.
bool token_file_wins(Loading& loading, const std::string& token_key, const std::string& file_key,
                     const std::string& token_value, const std::string& path) {
  const auto token = loading.origins.find(token_key);
  const auto file = loading.origins.find(file_key);
  if (file == loading.origins.end() || path.empty()) return false;
  if (token == loading.origins.end() || token_value.empty()) return true;
  if (token->second.layer != file->second.layer) return token->second.layer < file->second.layer;
  loading.problems.push_back({file->second.source, file->second.line, token_key + ", " + file_key,
                              "one of the two", "both", "Keep the file and remove " + token_key + "."});
  return false;
}

/// Puts the token of a file in its place, where there is a file.
void read_token(Loading& loading, const FileReader& reader, const std::string& token_key,
                const std::string& file_key, std::string& value, const std::string& path) {
  if (!token_file_wins(loading, token_key, file_key, value, path)) return;
  std::string token;
  read_lines(loading, reader, file_key, path, "one line with a token of 1 to 1024 characters",
             [&](std::string_view line) {
               const auto read = SecretCodec::parse(line, {1, 1024});
               if (!read || !token.empty()) return false;
               token = *read;
               return true;
             });
  value = token;
}

/// The users and secrets of a realm's files behind those that are there. `to` is auth::Options or
/// auth::RealmOptions, `prefix` the path of its keys.
template <class Sources>
void read_sources(Loading& loading, const FileReader& reader, const std::string& prefix,
                  const CredentialFiles& files, Sources& to) {
  const std::string user_line = "one NAME:PASSWORD a line";
  read_lines(loading, reader, prefix + "users_file", files.users, user_line, [&](std::string_view line) {
    auto user = UserCodec::parse(line, {});
    if (user) to.users.push_back(std::move(*user));
    return user.has_value();
  });
  const std::string secret_line = "one secret of 1 to 1024 characters a line";
  read_lines(loading, reader, prefix + "secrets_file", files.secrets, secret_line,
             [&](std::string_view line) {
               auto secret = SecretCodec::parse(line, {1, 1024});
               if (secret) to.secrets.push_back(std::move(*secret));
               return secret.has_value();
             });
  const std::string jwt_secret_line =
      "one secret of " + std::to_string(auth::kMinJwtSecretBytes) + " to 1024 characters a line";
  read_lines(loading, reader, prefix + "jwt_secrets_file", files.jwt_secrets, jwt_secret_line,
             [&](std::string_view line) {
               auto secret = JwtSecretCodec::parse(line, JwtSecretCodec::kRange);
               if (secret) to.jwt_secrets.push_back(std::move(*secret));
               return secret.has_value();
             });
}

/// Calls `visit` with the prefix, the files and the sources of each realm.
template <class Visit>
void for_each_realm(Config& config, Visit visit) {
  visit("auth.", config.secret_files, config.auth);
  const std::size_t count = std::min(config.auth.realms.size(), config.secret_files.realms.size());
  for (std::size_t i = 0; i < count; ++i) {
    visit("auth.realms[" + std::to_string(i) + "].", config.secret_files.realms[i], config.auth.realms[i]);
  }
}

void read_credentials(Loading& loading, const FileReader& reader) {
  for_each_realm(loading.config, [&](const std::string& prefix, const CredentialFiles& files, auto& to) {
    read_sources(loading, reader, prefix, files, to);
  });
}

}  // namespace

CredentialsResult reload_credentials(const Config& config, const FileReader& reader) {
  Loading loading;
  loading.config.auth = config.auth;
  loading.config.secret_files = config.secret_files;
  loading.config.signal = config.signal;
  for_each_realm(loading.config, [](const std::string&, const CredentialFiles& files, auto& to) {
    if (!files.users.empty()) to.users.resize(files.inline_users);
    if (!files.secrets.empty()) to.secrets.resize(files.inline_secrets);
    if (!files.jwt_secrets.empty()) to.jwt_secrets.resize(files.inline_jwt_secrets);
  });
  read_credentials(loading, reader);
  check_shared_secrets(loading);
  return {std::move(loading.config.auth), std::move(loading.problems)};
}

void read_secret_files(Loading& loading, const FileReader& reader) {
  Config& config = loading.config;
  for_each_realm(config, [](const std::string&, CredentialFiles& files, const auto& from) {
    files.inline_users = from.users.size();
    files.inline_secrets = from.secrets.size();
    files.inline_jwt_secrets = from.jwt_secrets.size();
  });
  read_credentials(loading, reader);
  read_token(loading, reader, "signaling.token", "signaling.token_file", config.signal.token,
             config.secret_files.token);
  read_token(loading, reader, "auth.hook_token", "auth.hook_token_file", config.auth.hook.token,
             config.secret_files.hook_token);
  read_token(loading, reader, "signaling.redis.password", "signaling.redis.password_file",
             config.signal.cluster.redis_password, config.secret_files.redis_password);
  read_token(loading, reader, "signaling.redis.cluster_secret", "signaling.redis.cluster_secret_file",
             config.signal.cluster.cluster_secret, config.secret_files.cluster_secret);
  read_token(loading, reader, "admin.token", "admin.token_file", config.admin.token,
             config.secret_files.admin_token);
}

}  // namespace ts::config
