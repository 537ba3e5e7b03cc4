// SPDX-License-Identifier: Apache-2.0
// The ICE provider for a list of URLs (RFC 7064, RFC 7065).
#include <utility>

#include <turnstone/signal/ice.hpp>

namespace ts::signal {

UrlIceProvider::UrlIceProvider(const std::vector<std::string>& urls, MintIceCredential mint)
    : mint_(std::move(mint)) {
  for (const std::string& url : urls) {
    const bool is_stun = url.starts_with("stun:") || url.starts_with("stuns:");
    (is_stun ? stun_urls_ : turn_urls_).push_back(url);
  }
}

IceServers UrlIceProvider::servers(const Now& now, std::string_view room, std::string_view peer) {
  IceServers out;
  if (!room.empty()) return out;
  if (!stun_urls_.empty()) out.servers.push_back(IceServer{stun_urls_, {}, {}});
  if (turn_urls_.empty() || !mint_) return out;
  IceCredential credential = mint_(now, peer);
  out.ttl = credential.ttl;
  out.servers.push_back(
      IceServer{turn_urls_, std::move(credential.username), std::move(credential.password)});
  return out;
}

}  // namespace ts::signal
