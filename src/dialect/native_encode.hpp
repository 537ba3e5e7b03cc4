// SPDX-License-Identifier: Apache-2.0
// Answers and events of the Router as texts of the native protocol (docs/signaling.md).
#pragma once

#include <string>
#include <string_view>

#include <turnstone/signal/router.hpp>

namespace ts::dialect::native {

/// `id` is the request's id as raw JSON, or empty: none.
std::string encode_welcome(std::string_view id, const signal::Welcome& welcome,
                           const signal::Options& options);
std::string encode_joined(std::string_view id, std::string_view room, const signal::Joined& joined);
std::string encode_list(std::string_view id, std::string_view room,
                        const std::vector<signal::PeerView>& peers);
std::string encode_ok(std::string_view id);
std::string encode_sent(std::string_view id, const signal::Sent& sent);
/// `room` is empty for what does not belong to one.
std::string encode_ice(std::string_view id, std::string_view room, const signal::IceServers& ice);
std::string encode_pong(std::string_view id);
std::string encode_error(std::string_view id, const signal::Failure& failure);

/// An event that is a message; not for Close.
std::string encode_event(const signal::Event& event);

/// A message with its number as the last member.
std::string with_number(std::string_view message, std::uint64_t seq);

}  // namespace ts::dialect::native
