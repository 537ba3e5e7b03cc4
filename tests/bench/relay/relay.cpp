// SPDX-License-Identifier: Apache-2.0
#include "relay.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <sys/epoll.h>

#include <turnstone/stun/channel_data.hpp>

#include "load.hpp"

namespace ts::load {

namespace {

constexpr std::uint64_t kStallNs = 250'000'000;
constexpr std::uint64_t kDrainNs = 300'000'000;
constexpr std::uint64_t kDuplicatesNs = 20'000'000;
constexpr std::size_t kWholeTrain = 65'536;
/// Cycles beside relayed packets that may be under way.
constexpr std::size_t kChurnSlots = 256;
constexpr std::uint16_t kChannels = 0x1000;

}  // namespace

Relay::Relay(const Options& options)
    : o_(options), in_(options.trains ? kWholeTrain : options.payload + 128), out_(0), window_(options) {}

int Relay::run() {
  set_up();
  loop();
  if (!o_.bare) {
    for (Allocation& a : clients_) release(a, o_.credentials);
  }
  report();
  return totals_.right(o_.may_reorder) && measured_ > 0 && (!churn_ || churn_->failed() == 0) ? 0 : 1;
}

void Relay::set_up() {
  peer_ = udp_socket({o_.peer_address, o_.peer_port});
  if (o_.trains) take_trains(peer_);
  const Endpoint peer = local_endpoint(peer_);
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  for (std::size_t i = 0; i < o_.allocations; ++i) {
    const Endpoint local{client_address(o_, i), 0};
    const auto channel = static_cast<std::uint16_t>(stun::kMinChannel + i % kChannels);
    if (o_.bare) {
      clients_.push_back(open_client(o_.transport, local, o_.server));
      clients_.back().channel = channel;
      clients_.back().relayed = {o_.relayed.address, static_cast<std::uint16_t>(o_.relayed.port + i)};
      connect_bare(clients_.back());
    } else {
      clients_.push_back(allocate(o_.transport, local, o_.server, o_.credentials, o_.peer_address.family()));
      bind_channel(clients_.back(), o_.credentials, channel, peer);
    }
    if (o_.trains) take_trains(clients_.back().socket);
    relayed_.emplace_back(clients_.back().relayed);
    watch(i);
  }
  if (o_.churn > 0) churn_ = std::make_unique<Cycles>(o_, o_.churn, kChurnSlots, peer);
  window_ = Window(o_);
}

/// A forwarder learns where its client is from a first packet, which the peer must not see as load.
void Relay::connect_bare(Allocation& a) {
  std::array<std::uint8_t, 4> hello{};
  stun::write_channel_data_header(hello.data(), a.channel, 0);
  send(a.socket.get(), hello.data(), hello.size(), 0);
  if (wait_readable(peer_, 1000)) recv(peer_.get(), hello.data(), hello.size(), 0);
}

void Relay::watch(std::size_t index) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, clients_[index].socket.get(), &event);
}

void Relay::loop() {
  last_progress_ns_ = now_ns();
  for (std::uint64_t now = now_ns(); window_.open(now); now = now_ns()) {
    if (o_.rate > 0) {
      keep_pace(now);
    } else {
      fill_window(now);
    }
    if (receive_all() > 0) last_progress_ns_ = now;
    if (o_.transport != Transport::Udp) {
      for (Allocation& a : clients_) flush(a);
    }
    if (churn_) churn_->step(now_ns(), window_.measuring());
  }
  drain();
}

/// Each packet carries the time it was due, so that a late generator or server shows in the latency.
void Relay::keep_pace(std::uint64_t now) {
  const double bursts_per_ns = o_.rate / static_cast<double>(o_.burst) / 1e9;
  const auto due = static_cast<std::uint64_t>(static_cast<double>(now - window_.start_ns()) * bursts_per_ns);
  for (; paced_ < due; ++paced_) {
    const double offset = static_cast<double>(paced_ + 1) / bursts_per_ns;
    totals_.send_refused +=
        o_.burst - send_some(o_.burst, window_.start_ns() + static_cast<std::uint64_t>(offset));
  }
}

void Relay::fill_window(std::uint64_t now) {
  const std::uint64_t in_flight = totals_.sent - std::min(totals_.sent, totals_.received + given_up_);
  if (in_flight < o_.window) send_some(o_.window - static_cast<std::size_t>(in_flight), now);
  if (now - last_progress_ns_ < kStallNs) return;
  given_up_ = totals_.sent - std::min(totals_.sent, totals_.received);
  last_progress_ns_ = now;
}

/// Waits for what is under way; when all of it is there, a moment longer for duplicates.
void Relay::drain() {
  std::uint64_t end = now_ns() + kDrainNs;
  for (bool complete = false; now_ns() < end;) {
    if (!complete && totals_.received >= totals_.sent) {
      complete = true;
      end = std::min(end, now_ns() + kDuplicatesNs);
    }
    receive_all();
    for (Allocation& a : clients_) flush(a);
    if (churn_) churn_->step(now_ns(), false);
  }
  if (churn_) churn_->finish();
}

void Relay::report() const {
  const std::uint64_t lost = totals_.sent - std::min(totals_.sent, totals_.received);
  std::printf(
      "{%s, \"sent\": %llu, \"lost\": %llu, \"refused\": %llu, \"corrupt\": %llu, \"wrong_channel\": %llu, "
      "\"wrong_source\": %llu, \"duplicate\": %llu, \"reordered\": %llu, %s",
      window_.json("packet", measured_).c_str(), static_cast<unsigned long long>(totals_.sent),
      static_cast<unsigned long long>(lost), static_cast<unsigned long long>(totals_.send_refused),
      static_cast<unsigned long long>(totals_.corrupt),
      static_cast<unsigned long long>(totals_.wrong_channel),
      static_cast<unsigned long long>(totals_.wrong_source),
      static_cast<unsigned long long>(totals_.duplicate), static_cast<unsigned long long>(totals_.reordered),
      latency_json("latency_us", latency_).c_str());
  if (churn_) {
    std::printf(", \"churn\": {\"cycles\": %llu, \"failed\": %llu, \"late\": %llu, %s}",
                static_cast<unsigned long long>(churn_->done()),
                static_cast<unsigned long long>(churn_->failed()),
                static_cast<unsigned long long>(churn_->late()),
                latency_json("latency_us", churn_->latency()).c_str());
  }
  std::printf("}\n");
}

int run_relay(const Options& options) {
  if (options.payload < kStampBytes || options.payload > kMaxPayload) {
    errno = EINVAL;
    die("--payload: 24 to 9000");
  }
  return std::make_unique<Relay>(options)->run();
}

}  // namespace ts::load
