// SPDX-License-Identifier: Apache-2.0
// Allocate and echo: A and B are two allocations of ours; what A sends to B's relayed address passes the
// relay twice, in both directions.
#include <algorithm>

#include "checks.hpp"

namespace ts::app::probe {
namespace {

constexpr std::size_t kPayloadBytes = 1000;
constexpr std::uint16_t kChannelOfA = 0x4000;
constexpr std::uint16_t kChannelOfB = 0x4001;
constexpr auto kResend = std::chrono::milliseconds(500);
constexpr std::uint16_t kForbidden = 403;

/// How data is sent.
enum class Way : std::uint8_t { Indication, Channel };

Buffer payload() {
  Buffer out(kPayloadBytes);
  net::SystemRandom().fill(out);
  return out;
}

std::optional<Problem> send(TurnClient& from, const TurnClient& to, Way way, std::uint16_t channel,
                            ByteView data) {
  return way == Way::Channel ? from.send_by_channel(channel, data)
                             : from.send_by_indication(to.relayed(), data);
}

/// Waits for exactly `data`. False: the deadline passed. Counts what came that was something else.
Result<bool, Problem> await(TurnClient& client, const Buffer& data, TimePoint deadline, unsigned& strange,
                            bool& by_channel) {
  for (;;) {
    auto received = client.receive(deadline);
    if (received.has_error()) return std::move(received).error();
    if (!received->has_value()) return false;
    by_channel = (**received).by_channel;
    if ((**received).bytes == data) return true;
    ++strange;
  }
}

Problem lost(bool reached_b, unsigned tries, unsigned strange) {
  if (strange != 0) return {"the data came back changed", "something on the way changes packets", false};
  const std::string what = reached_b ? "data reached the second allocation, but its echo was lost"
                                     : "data did not reach the second allocation";
  return {what + " (" + std::to_string(tries) + " tries)",
          "the relayed address must be reachable, from the server itself too: check relay.address, open the "
          "relay "
          "ports (UDP), and see whether the NAT in front of the server sends packets to its own outer "
          "address back",
          false};
}

/// A sends, B echoes, A compares. Over UDP a lost packet is sent again.
Result<Note, Problem> echo(TurnClient& a, TurnClient& b, Way way, Duration timeout) {
  const Buffer forth = payload();
  Buffer back(forth.rbegin(), forth.rend());
  const TimePoint begin = net::now().mono;
  const TimePoint deadline = begin + timeout;
  unsigned tries = 0;
  unsigned strange = 0;
  bool reached_b = false;
  bool by_channel = false;
  while (net::now().mono < deadline) {
    ++tries;
    const TimePoint sent = net::now().mono;
    const TimePoint until = std::min<TimePoint>(sent + kResend * tries, deadline);
    if (auto problem = send(a, b, way, kChannelOfA, forth)) return std::move(*problem);
    const auto there = await(b, forth, until, strange, by_channel);
    if (there.has_error()) return there.error();
    if (!*there) continue;
    reached_b = true;
    if (auto problem = send(b, a, way, kChannelOfB, back)) return std::move(*problem);
    const auto here = await(a, back, until, strange, by_channel);
    if (here.has_error()) return here.error();
    if (!*here) continue;
    const auto rtt = std::chrono::duration_cast<std::chrono::microseconds>(net::now().mono - sent);
    Note note{std::to_string(kPayloadBytes) + " bytes there and back, as " +
                  (by_channel ? "ChannelData" : "Data indication"),
              {{"rtt_us", std::int64_t{rtt.count()}}, {"lost", std::int64_t{tries - 1}}},
              tries > 1,
              tries > 1 ? "packets get lost on the way" : ""};
    if (tries > 1) note.detail += ", " + std::to_string(tries - 1) + " lost";
    return note;
  }
  return lost(reached_b, tries, strange);
}

/// Does a client's request as a step, keeping the error code of a refusal.
template <class Work>
bool turn_step(Attempt& attempt, std::string name, std::uint16_t& code, Work&& work) {
  return attempt.step(std::move(name), [&]() -> Result<Note, Problem> {
    Result<Note, Refusal> result = work();
    if (!result.has_error()) return std::move(*result);
    code = result.error().code;
    return std::move(result).error().problem;
  });
}

/// The server's policy forbids what the echo needs: not a failure of the server.
void explain_denial(Attempt& attempt) {
  Step& step = attempt.steps.back();
  step.outcome = Outcome::Warned;
  step.detail += "; only Allocate was checked";
  step.remedy =
      "the server denies relaying to its own relayed addresses (often right); to check the data path too, "
      "allow that "
      "address as a peer, or test with two clients";
}

void check_data(Attempt& attempt, TurnClient& a, TurnClient& b, Duration timeout) {
  std::uint16_t code = 0;
  const bool permitted = turn_step(attempt, "permission A→B", code, [&] { return a.permit(b.relayed()); }) &&
                         turn_step(attempt, "permission B→A", code, [&] { return b.permit(a.relayed()); });
  if (!permitted && code == kForbidden) return explain_denial(attempt);
  if (!permitted) return;
  const bool sent = attempt.step("echo by Send", [&] { return echo(a, b, Way::Indication, timeout); });
  const bool bound =
      turn_step(attempt, "channel A→B", code, [&] { return a.bind(kChannelOfA, b.relayed()); }) &&
      turn_step(attempt, "channel B→A", code, [&] { return b.bind(kChannelOfB, a.relayed()); });
  if (!bound && code == kForbidden) return explain_denial(attempt);
  if (bound && sent) attempt.step("echo by channel", [&] { return echo(a, b, Way::Channel, timeout); });
}

void release(Attempt& attempt, const char* name, TurnClient& client) {
  std::uint16_t code = 0;
  turn_step(attempt, name, code, [&] { return client.release(); });
}

void check_second(Attempt& attempt, const Target& target, TurnClient& a) {
  std::optional<TurnClient> b;
  std::uint16_t code = 0;
  const bool allocated = turn_step(attempt, "allocate B", code, [&]() -> Result<Note, Refusal> {
    auto connection = connect_quietly(target);
    if (connection.has_error()) return Refusal{std::move(connection).error(), 0};
    b.emplace(std::move(*connection), target.settings.login, target.settings.timeout);
    return b->allocate();
  });
  constexpr std::uint16_t kQuota = 486;
  if (!allocated && code == kQuota) {
    Step& step = attempt.steps.back();
    step.outcome = Outcome::Warned;
    step.detail += "; only Allocate was checked";
    step.remedy = "the user may have one allocation only; the data path needs two";
  }
  if (!allocated) return;
  check_data(attempt, a, *b, target.settings.timeout);
  release(attempt, "release B", *b);
}

}  // namespace

void check_turn(Attempt& attempt, const Target& target) {
  auto connection = connect(attempt, target);
  if (!connection) return;
  if (!attempt.step("binding", [&] { return check_binding(*connection, target.settings.timeout); })) return;
  TurnClient a(std::move(*connection), target.settings.login, target.settings.timeout);
  std::uint16_t code = 0;
  if (!turn_step(attempt, "allocate A", code, [&] { return a.allocate(); })) return;
  check_second(attempt, target, a);
  release(attempt, "release A", a);
}

}  // namespace ts::app::probe
