// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <turnstone/base/hash.hpp>
#include <turnstone/signal/identity.hpp>

namespace ts::signal {

std::optional<Right> right_of(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kRightCount; ++i) {
    const auto right = static_cast<Right>(i);
    if (label(right) == name) return right;
  }
  return std::nullopt;
}

Rights Rights::of(const std::vector<std::string>& names) noexcept {
  Rights out;
  for (const std::string& name : names) {
    if (const auto right = right_of(name)) out.add(*right);
  }
  return out;
}

bool Identity::may_enter(std::string_view room) const noexcept {
  return all_rooms || std::any_of(rooms.begin(), rooms.end(), [&](std::string_view pattern) {
           if (!pattern.ends_with('*')) return pattern == room;
           return room.starts_with(pattern.substr(0, pattern.size() - 1));
         });
}

std::string_view Identity::home_room(std::string_view common) const noexcept {
  if (all_rooms) return common;
  const auto named =
      std::find_if(rooms.begin(), rooms.end(), [](const auto& r) { return !r.ends_with('*'); });
  return named == rooms.end() ? common : std::string_view(*named);
}

TokenAuthenticator::TokenAuthenticator(const Options& options) { use(options); }

void TokenAuthenticator::use(const Options& options) {
  token_ = options.token;
  open_ = options.open;
  auto identity = std::make_shared<Identity>();
  identity->can = open_ ? Rights::all() : Rights::of(options.token_can);
  anybody_ = std::move(identity);
}

Result<std::shared_ptr<const Identity>, Failure> TokenAuthenticator::authenticate(const Now&,
                                                                                  std::string_view token) {
  const bool known = equal_constant_time(as_bytes(token), as_bytes(token_));
  if (open_ || (!token_.empty() && known)) return anybody_;
  return Failure{ErrorCode::Unauthorized, "a valid token is needed"};
}

}  // namespace ts::signal
