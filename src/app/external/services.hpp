// SPDX-License-Identifier: Apache-2.0
// What clouds and Kubernetes say about a host's public address: how to ask for it, and what the answers mean.
// Pure; answers are not trusted.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <turnstone/base/address.hpp>

namespace ts::app::external {

/// A service of instance metadata at 169.254.169.254, as one cloud has it.
struct MetadataService {
  std::string_view name;
  /// Path and query of what holds the public IPv4 address.
  std::string_view target;
  /// A field that requests must have; empty: none.
  std::string_view field;
  std::string_view value;
  /// A PUT there gets a token first, to be shown in this field; empty: none.
  std::string_view token_target;
  std::string_view token_field;
  /// The field of the PUT with the token's life in seconds.
  std::string_view token_life_field;
};

/// In the order in which they are asked.
std::span<const MetadataService> metadata_services() noexcept;

/// An address that the internet may reach: not a private, loopback, link-local, multicast or unspecified one.
bool is_usable(const IpAddress& address);

/// The first usable address in an answer: text, or Azure's JSON of a load balancer.
std::optional<IpAddress> address_in(std::string_view body);

/// The usable addresses of type ExternalIP of a Kubernetes Node, at most one a family.
std::vector<IpAddress> addresses_of_node(std::string_view json);

}  // namespace ts::app::external
