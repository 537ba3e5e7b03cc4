// SPDX-License-Identifier: Apache-2.0
// Who a member is and what it may do: what an authenticator makes of the token in a hello. The shared token's
// authenticator is here too.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/base/result.hpp>
#include <turnstone/base/time.hpp>
#include <turnstone/signal/failure.hpp>
#include <turnstone/signal/options.hpp>

namespace ts::signal {

/// What a member may do in the rooms that it may enter.
enum class Right : std::uint8_t {
  Join,
  Create,  ///< enter a room that is empty, which makes it
  Send,
  Ice,   ///< get ICE servers
  Room,  ///< set the options of any room it is in, and enter locked ones
  Kick,  ///< remove members of any room it is in
  Ban    ///< and keep them out
};
inline constexpr std::size_t kRightCount = kRightNames.size();

/// As in the configuration, and in the claim `can` of a token.
constexpr std::string_view label(Right right) noexcept {
  return kRightNames[static_cast<std::size_t>(right)];
}

/// The right of that name; nothing: there is none.
std::optional<Right> right_of(std::string_view name) noexcept;

class Rights {
 public:
  static constexpr Rights all() noexcept {
    Rights out;
    out.bits_ = (1U << kRightCount) - 1;
    return out;
  }
  /// Names that are not known are left out.
  static Rights of(const std::vector<std::string>& names) noexcept;
  constexpr void add(Right right) noexcept { bits_ |= 1U << static_cast<unsigned>(right); }
  constexpr Rights common_with(Rights other) const noexcept {
    other.bits_ &= bits_;
    return other;
  }
  constexpr bool has(Right right) const noexcept {
    return (bits_ & (1U << static_cast<unsigned>(right))) != 0;
  }

 private:
  std::uint32_t bits_ = 0;
};

/// 0: as the options say.
struct Limits {
  std::uint32_t rooms = 0;
  std::uint32_t messages_per_second = 0;
};

/// Immutable once made; connections share it.
struct Identity {
  /// Who it is, as its issuer says; empty: nobody in particular.
  std::string subject;
  /// Two connections with the same one may take each other's place. Never shown.
  std::string credential;
  /// The one peer id that it may have; empty: any.
  std::string peer;
  /// The meta that it has everywhere, whatever it says itself; empty: its own.
  std::string meta;
  /// It may enter rooms of any name.
  bool all_rooms = true;
  /// Else these: a name, or the beginning of one with `*` behind it.
  std::vector<std::string> rooms;
  Rights can;
  Limits limits;
  /// From then on it is not good for a hello or a resume.
  WallTime expires = WallTime::max();

  bool may_enter(std::string_view room) const noexcept;
  /// Where it is when nobody says where: the first room that it names, else `common`.
  std::string_view home_room(std::string_view common) const noexcept;
};

/// Makes something of tokens. Called by the Router at every hello.
class Authenticator {
 public:
  Authenticator() = default;
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;
  virtual ~Authenticator() = default;

  /// Who has this token (perhaps empty). unauthorized or token_expired.
  virtual Result<std::shared_ptr<const Identity>, Failure> authenticate(const Now& now,
                                                                        std::string_view token) = 0;
};

/// Knows the shared token of the options, or lets everybody in when they are open.
class TokenAuthenticator final : public Authenticator {
 public:
  explicit TokenAuthenticator(const Options& options);
  /// From now on, tokens are judged by these.
  void use(const Options& options);
  Result<std::shared_ptr<const Identity>, Failure> authenticate(const Now& now,
                                                                std::string_view token) override;

 private:
  std::string token_;
  bool open_ = false;
  std::shared_ptr<const Identity> anybody_;
};

}  // namespace ts::signal
