// SPDX-License-Identifier: Apache-2.0
#include "cycles.hpp"

#include <array>
#include <cstdio>

#include <sys/epoll.h>

#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/channel_data.hpp>

#include "load.hpp"
#include "window.hpp"

namespace ts::load {

namespace {

using stun::AttributeType;
using stun::MessageBuilder;
using stun::Method;

/// RFC 8489 §6.2.1 has 500 ms for the first one; on one machine, half of it is long.
constexpr std::uint64_t kAgainNs = 250'000'000;
constexpr std::uint64_t kAnswerNs = 2'000'000'000;
constexpr std::uint64_t kLookNs = 10'000'000;

}  // namespace

Cycles::Cycles(const Options& options, double rate, std::size_t at_once, const Endpoint& peer)
    : o_(options),
      rate_(rate),
      peer_(peer),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      slots_(at_once),
      start_ns_(load::now_ns()) {
  for (std::size_t i = 0; i < at_once; ++i) free_.push_back(i);
}

void Cycles::step(std::uint64_t now, bool measuring) {
  now_ns_ = now;
  measuring_ = measuring;
  begin_due();
  std::array<epoll_event, 64> events{};
  const int n = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < n; ++i) receive(slots_[events[static_cast<std::size_t>(i)].data.u64]);
  if (now_ns_ >= next_look_ns_) look_after_late_ones();
}

void Cycles::begin_due() {
  if (closing_) return;
  const auto now_due = static_cast<std::uint64_t>(static_cast<double>(now_ns_ - start_ns_) * rate_ / 1e9);
  // In a closed loop each slot at most once, since a cycle may fail at once.
  const std::size_t want = rate_ > 0 ? now_due - paced_ : free_.size();
  for (std::size_t i = 0; i < want; ++i) {
    ++paced_;
    if (free_.empty()) {
      ++late_;
      continue;
    }
    const std::size_t index = free_.back();
    free_.pop_back();
    const double offset = rate_ > 0 ? static_cast<double>(paced_) * 1e9 / rate_ : 0;
    begin(slots_[index], index, rate_ > 0 ? start_ns_ + static_cast<std::uint64_t>(offset) : now_ns_);
  }
}

void Cycles::look_after_late_ones() {
  next_look_ns_ = now_ns_ + kLookNs;
  for (Slot& slot : slots_) {
    if (slot.stage == Stage::Free || now_ns_ <= slot.again_ns) continue;
    if (now_ns_ > slot.deadline_ns) {
      end(slot, false);
    } else {
      ++resent_;
      send(slot);
    }
  }
}

void Cycles::finish() {
  closing_ = true;
  const std::uint64_t until = load::now_ns() + kAnswerNs;
  while (free_.size() < slots_.size() && load::now_ns() < until) step(load::now_ns(), false);
}

void Cycles::begin(Slot& slot, std::size_t index, std::uint64_t due_ns) {
  slot = Slot{};
  slot.socket = udp_socket({client_address(o_, begun_), 0});
  connect_udp(slot.socket, o_.server);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, slot.socket.get(), &event);
  slot.stage = Stage::Allocating;
  slot.due_ns = due_ns;
  ++begun_;
  ask(slot);
}

void Cycles::ask(Slot& slot) {
  slot.id = next_transaction_id();
  slot.deadline_ns = now_ns_ + kAnswerNs;
  Method method = Method::Allocate;
  if (slot.stage == Stage::Binding) method = Method::ChannelBind;
  if (slot.stage == Stage::Releasing) method = Method::Refresh;
  const ByteView bytes = build_request(
      slot.request, method, slot.id, slot.challenge, o_.credentials, [this, &slot](MessageBuilder& builder) {
        if (slot.stage == Stage::Allocating) add_allocate(builder, o_.peer_address.family());
        if (slot.stage == Stage::Releasing) builder.add_u32(AttributeType::Lifetime, 0);
        if (slot.stage == Stage::Binding)
          builder.add_channel_number(stun::kMinChannel).add_xor_address(AttributeType::XorPeerAddress, peer_);
      });
  slot.request_bytes = bytes.size();
  send(slot);
}

void Cycles::send(Slot& slot) {
  slot.again_ns = now_ns_ + kAgainNs;
  if (::send(slot.socket.get(), slot.request.data(), slot.request_bytes, MSG_NOSIGNAL) < 0) end(slot, false);
}

void Cycles::receive(Slot& slot) {
  std::array<std::uint8_t, 2048> buffer;
  while (slot.stage != Stage::Free) {
    const ssize_t n = recv(slot.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n <= 0) return;
    const auto view = stun::MessageView::parse({buffer.data(), static_cast<std::size_t>(n)});
    if (view && view->transaction_id() == slot.id) answered(slot, *view);
  }
}

void Cycles::answered(Slot& slot, const stun::MessageView& view) {
  const std::uint16_t error = error_of(view);
  if (error == 401 || error == 438) {
    if (++slot.challenges > 3 || !take_challenge(slot.challenge, view, o_.credentials))
      return end(slot, false);
    return ask(slot);
  }
  if (error != 0) return end(slot, false);
  switch (slot.stage) {
    case Stage::Allocating:
      if (!view.find(AttributeType::XorRelayedAddress)) return end(slot, false);
      slot.stage = Stage::Binding;
      return ask(slot);
    case Stage::Binding:
      if (measuring_) latency_.add(load::now_ns() - slot.due_ns);
      slot.stage = Stage::Releasing;
      return ask(slot);
    case Stage::Releasing:
    case Stage::Free: return end(slot, true);
  }
}

void Cycles::end(Slot& slot, bool well) {
  slot.stage = Stage::Free;
  slot.socket = Fd{};
  free_.push_back(static_cast<std::size_t>(&slot - slots_.data()));
  if (!well) {
    ++failed_;
  } else if (measuring_) {
    ++done_;
  }
}

int run_cycles(const Options& o) {
  const Fd peer = udp_socket({o.peer_address, 0});
  Cycles cycles(o, o.rate, o.window, local_endpoint(peer));
  Window window(o);
  for (std::uint64_t now = now_ns(); window.open(now); now = now_ns()) cycles.step(now, window.measuring());
  cycles.finish();
  std::printf(
      "{%s, \"begun\": %llu, \"failed\": %llu, \"late\": %llu, \"resent\": %llu, %s}\n",
      window.json("cycle", cycles.done()).c_str(), static_cast<unsigned long long>(cycles.begun()),
      static_cast<unsigned long long>(cycles.failed()), static_cast<unsigned long long>(cycles.late()),
      static_cast<unsigned long long>(cycles.resent()), latency_json("latency_us", cycles.latency()).c_str());
  return cycles.done() > 0 && cycles.failed() == 0 ? 0 : 1;
}

}  // namespace ts::load
