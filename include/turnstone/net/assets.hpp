// SPDX-License-Identifier: Apache-2.0
// The files of src/web, embedded at build time (src/cmake/Embed.cmake). Immutable; any thread.
#pragma once

#include <span>
#include <string_view>

namespace ts::net {

/// One embedded file. All views are valid for the life of the program.
struct Asset {
  /// The URL path it is served at, e.g. "/client/turnstone.js". The demo's files are at the root, and an
  /// index.html is its folder: "/", "/console/".
  std::string_view path;
  std::string_view mime;
  /// A strong entity tag with its quotes (RFC 9110 §8.8.3).
  std::string_view etag;
  std::string_view body;
  /// The same, compressed (RFC 1952).
  std::string_view gzip;
};

/// Below this are the files of the console.
inline constexpr std::string_view kConsolePath = "/console/";

/// All embedded files, sorted by path.
std::span<const Asset> assets() noexcept;

/// The file at exactly this path, or null.
const Asset* find_asset(std::string_view path) noexcept;

}  // namespace ts::net
