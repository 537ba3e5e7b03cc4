// SPDX-License-Identifier: Apache-2.0
// How the enumerators of the counters are written as label values: bounded sets, stable names.
#pragma once

#include <array>
#include <string_view>

#include <turnstone/net/counters.hpp>
#include <turnstone/turn/counters.hpp>

namespace ts::metrics {

inline constexpr std::array<std::string_view, turn::kTransportCount> kTransportLabels{"udp", "tcp", "tls",
                                                                                      "dtls"};
constexpr std::string_view label(turn::Transport value) noexcept {
  return kTransportLabels[static_cast<std::size_t>(value)];
}

inline constexpr std::array<std::string_view, turn::kRequestKindCount> kRequestKindLabels{
    "binding", "allocate",        "refresh", "create_permission", "channel_bind", "send",
    "connect", "connection_bind", "other"};
constexpr std::string_view label(turn::RequestKind value) noexcept {
  return kRequestKindLabels[static_cast<std::size_t>(value)];
}

inline constexpr std::array<std::string_view, turn::kOutcomeCount> kOutcomeLabels{
    "success", "300", "400", "401", "403", "405", "420", "437", "438", "440",
    "441",     "442", "443", "446", "447", "486", "487", "500", "508"};
constexpr std::string_view label(turn::Outcome value) noexcept {
  return kOutcomeLabels[static_cast<std::size_t>(value)];
}

inline constexpr std::array<std::string_view, turn::kAuthFailureCount> kAuthFailureLabels{
    "no_credentials", "missing_attribute", "unknown_user", "wrong_password", "expired",
    "stale_nonce",    "wrong_realm",       "wrong_user",   "bad_algorithm",  "wrong_address",
    "revoked",        "source_busy",       "bad_policy"};
constexpr std::string_view label(turn::AuthFailure value) noexcept {
  return kAuthFailureLabels[static_cast<std::size_t>(value)];
}

inline constexpr std::array<std::string_view, turn::kDenialCount> kDenialLabels{
    "special_purpose",  "private",           "loopback",       "link_local",    "multicast",
    "own_address",      "own_endpoint",      "denied_by_rule", "no_permission", "quota_user",
    "quota_total",      "quota_permissions", "quota_channels", "no_port",       "denied_by_credential",
    "quota_credential", "new_peer_rate",     "mobility_off",   "wrong_ticket",  "quota_connections",
    "draining",         "closed_relay"};
constexpr std::string_view label(turn::Denial value) noexcept {
  return kDenialLabels[static_cast<std::size_t>(value)];
}

inline constexpr std::array<std::string_view, turn::kDropCount> kDropLabels{
    "not_stun",         "bad_message",           "bad_fingerprint", "unknown_method",
    "unexpected_class", "no_allocation",         "no_channel",      "no_permission",
    "peer_denied",      "unknown_comprehension", "too_large",       "send_failed",
    "queue_full",       "source_rate",           "bit_rate",        "packet_rate"};
constexpr std::string_view label(turn::Drop value) noexcept {
  return kDropLabels[static_cast<std::size_t>(value)];
}

inline constexpr std::array<std::string_view, turn::kHookResultCount> kHookResultLabels{
    "found", "no_such_user", "bad_answer", "timed_out", "unreachable"};
constexpr std::string_view label(turn::HookResult value) noexcept {
  return kHookResultLabels[static_cast<std::size_t>(value)];
}

inline constexpr std::array<std::string_view, turn::kRevocationCauseCount> kRevocationCauseLabels{
    "order", "removal", "departure"};
constexpr std::string_view label(turn::RevocationCause value) noexcept {
  return kRevocationCauseLabels[static_cast<std::size_t>(value)];
}

inline constexpr std::array<std::string_view, turn::kEndReasonCount> kEndReasonLabels{
    "refreshed", "expired", "client_closed", "relay_failed", "shutdown", "revoked", "admin"};
constexpr std::string_view label(turn::EndReason value) noexcept {
  return kEndReasonLabels[static_cast<std::size_t>(value)];
}

inline constexpr std::array<std::string_view, net::kStreamKindCount> kStreamKindLabels{
    "turn_tcp", "turn_tls", "http", "https", "peer_tcp", "turn_dtls"};
constexpr std::string_view label(net::StreamKind value) noexcept {
  return kStreamKindLabels[static_cast<std::size_t>(value)];
}

inline constexpr std::array<std::string_view, net::kStreamRefusalCount> kStreamRefusalLabels{
    "limit",         "handshake_timeout", "tls_failed",      "unknown_protocol",
    "accept_failed", "address_limit",     "bad_proxy_header"};
constexpr std::string_view label(net::StreamRefusal value) noexcept {
  return kStreamRefusalLabels[static_cast<std::size_t>(value)];
}

inline constexpr std::array<std::string_view, net::kUdpSocketKindCount> kUdpSocketKindLabels{"listener",
                                                                                             "relay"};
constexpr std::string_view label(net::UdpSocketKind value) noexcept {
  return kUdpSocketKindLabels[static_cast<std::size_t>(value)];
}

}  // namespace ts::metrics
