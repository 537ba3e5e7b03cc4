// SPDX-License-Identifier: Apache-2.0
// candidate-attribute (RFC 8839 §5.1): foundation, component, transport, priority, address, port, "typ",
// type. And what the Router tells of them.
#include <algorithm>
#include <array>
#include <utility>

#include <turnstone/signal/candidates.hpp>
#include <turnstone/signal/router.hpp>

namespace ts::signal {
namespace {

constexpr std::string_view kMark = "candidate:";
/// No field is longer: a foundation has 32 bytes at most, and maybe escapes; an IPv6 address 45.
constexpr std::size_t kMaxFieldBytes = 64;

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// The bytes up to the next space, which is taken off `rest` too; empty when there is no such field.
std::string_view take_field(std::string_view& rest) noexcept {
  const std::size_t end = rest.substr(0, kMaxFieldBytes + 1).find(' ');
  if (end == std::string_view::npos) return {};
  const std::string_view out = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return out;
}

bool is_number(std::string_view field) noexcept {
  return !field.empty() && field.size() <= 10 && std::all_of(field.begin(), field.end(), is_digit);
}

/// The address of the candidate whose foundation `rest` begins with.
std::optional<IpAddress> address_of(std::string_view rest) noexcept {
  std::array<std::string_view, 7> fields;
  for (std::string_view& field : fields) {
    field = take_field(rest);
    if (field.empty()) return std::nullopt;
  }
  const auto& [foundation, component, transport, priority, address, port, typ] = fields;
  if (!is_number(component) || !is_number(priority) || !is_number(port) || typ != "typ") return std::nullopt;
  const auto at = IpAddress::parse(address);
  if (!at || at->unmapped().is_unspecified()) return std::nullopt;
  return at->unmapped();
}

}  // namespace

void read_candidates(std::string_view text, std::size_t most, std::vector<IpAddress>& out) {
  for (;;) {
    const std::size_t at = text.find(kMark);
    if (at == std::string_view::npos || out.size() >= most) return;
    text.remove_prefix(at + kMark.size());
    const auto address = address_of(text);
    if (address && std::find(out.begin(), out.end(), *address) == out.end()) out.push_back(*address);
  }
}

void Router::set_candidate_listener(CandidateListener* listener) {
  candidate_listener_ = listener;
  follow_candidates();
}

/// Once asked for, for good: credentials of closed relays outlive the option.
void Router::follow_candidates() {
  if (listening_ || candidate_listener_ == nullptr || !options_.closed_relay) return;
  listening_ = true;
  connections_.for_each([&](SlotHandle, Connection& c) {
    for (const Membership& m : c.rooms) tell_entered(c, m.room);
  });
}

void Router::tell_entered(const Connection& c, SlotHandle room) const {
  if (listening_) candidate_listener_->entered(rooms_.find(room)->name, c.peer);
}

void Router::tell_left(const Connection& c, SlotHandle room) const {
  if (listening_) candidate_listener_->left(rooms_.find(room)->name, c.peer);
}

/// What `c` has sent is announced in the room that it named, or where it is in one with a target.
void Router::hear_candidates(Connection& c, SlotHandle named, bool everyone,
                             std::span<const std::string_view> to, std::string_view data) {
  if (!listening_ || data.find(kMark) == std::string_view::npos) return;
  for (Membership& m : c.rooms) {
    const auto is_here = [&](std::string_view name) {
      Connection* target = peer(name);
      return target != nullptr && target->in(m.room) != nullptr;
    };
    const bool only = c.rooms.size() == 1;  // for a target that is yet to come, too
    const bool meant = rooms_.find(named) != nullptr
                           ? m.room == named
                           : everyone || only || std::any_of(to.begin(), to.end(), is_here);
    if (!meant) continue;
    const std::size_t known = m.announced.size();
    read_candidates(data, kMaxAnnounced, m.announced);
    if (m.announced.size() == known) continue;
    candidate_listener_->announced(rooms_.find(m.room)->name, c.peer, std::span(m.announced).subspan(known));
  }
}

}  // namespace ts::signal
