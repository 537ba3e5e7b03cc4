// SPDX-License-Identifier: Apache-2.0
#include "console_page.hpp"

#include <turnstone/net/assets.hpp>

namespace ts::app {
namespace {

/// Nothing from elsewhere, no frame around it, and no text that becomes markup or code.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'";

}  // namespace

std::optional<net::HttpResponse> console_page(const net::HttpRequest& request) {
  const bool read = request.method == "GET" || request.method == "HEAD";
  net::HttpResponse out;
  if (read && (request.path == "/" || request.path == "/console")) {
    out.status = 303;
    // Relative, for proxies that have it below a path of theirs.
    out.fields.emplace_back("Location", "console/");
  } else {
    const bool below = request.path.starts_with(net::kConsolePath);
    const net::Asset* asset = below ? net::find_asset(request.path) : nullptr;
    if (asset == nullptr) return std::nullopt;
    out = net::asset_response(*asset, request);
  }
  out.fields.emplace_back("Content-Security-Policy", kPolicy);
  out.fields.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
  out.fields.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  out.for_strangers = true;
  return out;
}

}  // namespace ts::app
