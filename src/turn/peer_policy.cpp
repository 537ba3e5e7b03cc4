// SPDX-License-Identifier: Apache-2.0
// The table follows IANA's special-purpose address registries (RFC 6890).
#include <algorithm>

#include <turnstone/turn/peer_policy.hpp>

namespace ts::turn {
namespace {

struct SpecialRange {
  IpNetwork network;
  Denial why;
  /// Development may open it.
  bool can_be_private;
};

constexpr IpNetwork v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t bits) noexcept {
  return IpNetwork{IpAddress::v4(a, b, c, 0), bits};
}

const std::array<SpecialRange, 18> kSpecialV4{{
    {v4(0, 0, 0, 8), Denial::SpecialPurpose, false},  // "this network"
    {v4(10, 0, 0, 8), Denial::Private, true},         // RFC 1918
    {v4(100, 64, 0, 10), Denial::Private, true},      // shared address space, RFC 6598
    {v4(127, 0, 0, 8), Denial::Loopback, true},
    {v4(169, 254, 0, 16), Denial::LinkLocal, false},        // holds cloud metadata services
    {v4(172, 16, 0, 12), Denial::Private, true},            // RFC 1918
    {v4(192, 0, 0, 24), Denial::SpecialPurpose, false},     // IETF protocol assignments
    {v4(192, 0, 2, 24), Denial::SpecialPurpose, false},     // documentation
    {v4(192, 31, 196, 24), Denial::SpecialPurpose, false},  // AS112
    {v4(192, 52, 193, 24), Denial::SpecialPurpose, false},  // AMT
    {v4(192, 88, 99, 24), Denial::SpecialPurpose, false},   // former 6to4 anycast
    {v4(192, 168, 0, 16), Denial::Private, true},           // RFC 1918
    {v4(192, 175, 48, 24), Denial::SpecialPurpose, false},  // AS112
    {v4(198, 18, 0, 15), Denial::SpecialPurpose, false},    // benchmarking
    {v4(198, 51, 100, 24), Denial::SpecialPurpose, false},  // documentation
    {v4(203, 0, 113, 24), Denial::SpecialPurpose, false},   // documentation
    {v4(224, 0, 0, 4), Denial::Multicast, false},
    {v4(240, 0, 0, 4), Denial::SpecialPurpose, false},  // reserved, and broadcast
}};

IpNetwork v6(std::string_view text) {
  return IpNetwork::parse(text).value_or(IpNetwork{IpAddress::any(IpFamily::V6), 0});
}

const std::vector<SpecialRange>& special_v6() {
  static const std::vector<SpecialRange> table{
      {v6("::1/128"), Denial::Loopback, true},
      {v6("::/128"), Denial::SpecialPurpose, false},
      {v6("fc00::/7"), Denial::Private, true},  // unique local
      {v6("fe80::/10"), Denial::LinkLocal, false},
      {v6("fec0::/10"), Denial::SpecialPurpose, false},  // deprecated site local
      {v6("ff00::/8"), Denial::Multicast, false},
      {v6("100::/64"), Denial::SpecialPurpose, false},        // discard only
      {v6("100:0:0:1::/64"), Denial::SpecialPurpose, false},  // dummy prefix
      {v6("2001::/23"), Denial::SpecialPurpose, false},  // IETF protocol assignments, Teredo and ORCHID in it
      {v6("2001:db8::/32"), Denial::SpecialPurpose, false},  // documentation
      {v6("2002::/16"), Denial::SpecialPurpose, false},      // 6to4
      {v6("2620:4f:8000::/48"), Denial::SpecialPurpose, false},
      {v6("3fff::/20"), Denial::SpecialPurpose, false},       // documentation
      {v6("5f00::/16"), Denial::SpecialPurpose, false},       // segment routing
      {v6("64:ff9b:1::/48"), Denial::SpecialPurpose, false},  // local-use NAT64
  };
  return table;
}

bool starts_with(const IpAddress& address, std::initializer_list<std::uint8_t> prefix) noexcept {
  return address.is_v6() && std::equal(prefix.begin(), prefix.end(), address.bytes().begin());
}

}  // namespace

std::optional<IpAddress> embedded_v4(const IpAddress& address) noexcept {
  if (address.is_v4()) return std::nullopt;
  const ByteView b = address.bytes();
  const bool compatible = starts_with(address, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) && load_be32(&b[12]) > 1;
  const bool mapped = starts_with(address, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF});
  const bool translated = starts_with(address, {0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0});
  const bool nat64 = starts_with(address, {0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0});
  const bool nat64_local = starts_with(address, {0, 0x64, 0xFF, 0x9B, 0, 1});
  if (compatible || mapped || translated || nat64 || nat64_local) return IpAddress::from_bytes(b.last(4));
  if (starts_with(address, {0x20, 0x02})) return IpAddress::from_bytes(b.subspan(2, 4));
  if (starts_with(address, {0x20, 0x01, 0, 0})) {  // Teredo: the client's address stands inverted at the end
    std::array<std::uint8_t, 4> client;
    for (std::size_t i = 0; i < 4; ++i) client[i] = static_cast<std::uint8_t>(~b[12 + i]);
    return IpAddress::from_bytes(client);
  }
  return std::nullopt;
}

PeerPolicy::PeerPolicy(const Options& options) : options_(options.peers), relay_ports_(options.ports) {
  for (const RelayAddress& relay : options.relay_addresses) {
    relay_addresses_.push_back(relay.advertised);
    relay_addresses_.push_back(relay.local);
  }
}

bool PeerPolicy::listed(const std::vector<IpNetwork>& networks, const IpAddress& address) const noexcept {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const IpNetwork& n) { return n.contains(address); });
}

bool PeerPolicy::is_own(const IpAddress& address) const noexcept {
  const auto& own = options_.own_addresses;
  return std::find(own.begin(), own.end(), address) != own.end();
}

bool PeerPolicy::is_relay(const IpAddress& address) const noexcept {
  return std::find(relay_addresses_.begin(), relay_addresses_.end(), address) != relay_addresses_.end();
}

std::optional<Denial> PeerPolicy::check(const IpAddress& address) const noexcept {
  if (const auto why = check_form(address)) return why;
  const auto inner = embedded_v4(address);
  return inner ? check_form(*inner) : std::nullopt;
}

std::optional<Denial> PeerPolicy::check_form(const IpAddress& address) const noexcept {
  if (listed(options_.deny, address)) return Denial::DeniedByRule;
  if (listed(options_.allow, address)) return std::nullopt;
  if (is_relay(address)) return std::nullopt;  // two clients of one server must be able to meet
  const auto judge = [&](const SpecialRange& range) -> bool { return range.network.contains(address); };
  std::optional<Denial> why;
  bool may_open = false;
  const auto look = [&](const auto& table) {
    const auto hit = std::find_if(table.begin(), table.end(), judge);
    if (hit != table.end()) why = hit->why, may_open = hit->can_be_private;
  };
  if (address.is_v4()) {
    look(kSpecialV4);
  } else {
    // A translated form is judged by what it leads to, unless its own range is closed.
    look(special_v6());
  }
  if (why) return may_open && options_.allow_private ? std::nullopt : why;
  return is_own(address) ? std::optional(Denial::OwnAddress) : std::nullopt;
}

std::optional<Denial> PeerPolicy::check_port(const Endpoint& peer) const noexcept {
  const IpAddress address = embedded_v4(peer.address).value_or(peer.address);
  for (const Endpoint& endpoint : options_.own_endpoints) {
    if (endpoint.port != peer.port) continue;
    const IpAddress at = endpoint.address.unmapped();
    // A listener on one of our relay addresses is reached by what it is advertised as, too (1:1 NAT).
    const bool here = endpoint.address.is_unspecified()
                          ? is_own(address) || is_relay(address) || address.is_loopback()
                          : at == address || (is_relay(at) && is_relay(address));
    if (here) return Denial::OwnEndpoint;
  }
  if (options_.allow_private || listed(options_.allow, address)) return std::nullopt;
  const bool relay_port = peer.port >= relay_ports_.low && peer.port <= relay_ports_.high;
  return is_relay(address) && !relay_port ? std::optional(Denial::OwnAddress) : std::nullopt;
}

std::optional<Denial> PeerPolicy::check(const Endpoint& peer) const noexcept {
  if (const auto why = check(peer.address)) return why;
  return check_port(peer);
}

}  // namespace ts::turn
