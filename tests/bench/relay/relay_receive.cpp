// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cerrno>

#include <sys/epoll.h>

#include <turnstone/stun/channel_data.hpp>
#include <turnstone/stun/framer.hpp>

#include "relay.hpp"

namespace ts::load {

/// Checks one payload at the end of its way.
void Relay::arrived(ByteView payload, std::size_t index, Order& order) {
  if (!check(payload, o_.payload, index, order, totals_) || !window_.measuring()) return;
  ++measured_;
  latency_.add(now_ns() - stamped_time(payload));
}

void Relay::peer_got(ByteView payload, const SocketAddress& from) {
  const std::size_t index = payload.size() >= kStampBytes ? stamped_allocation(payload) : clients_.size();
  if (index >= clients_.size()) {
    ++totals_.corrupt;
    return;
  }
  if (from.endpoint() != clients_[index].relayed) ++totals_.wrong_source;
  if (o_.mode == Mode::ToPeer) arrived(payload, index, clients_[index].at_peer);
}

void Relay::receive_at_peer() {
  const std::size_t count = in_.receive(peer_, true);
  for (std::size_t i = 0; i < count; ++i)
    in_.for_each(i, [&](ByteView payload) { peer_got(payload, in_.addresses[i]); });
  if (o_.mode == Mode::Echo && count > 0) in_.send_back(peer_, count);
}

/// One message of the server: ChannelData, or an answer to a Refresh that nobody waits for.
void Relay::client_got(std::size_t index, ByteView message) {
  const auto data = stun::parse_channel_data(message);
  if (!data) {
    ++totals_.other;
  } else if (data->channel != clients_[index].channel) {
    ++totals_.wrong_channel;
  } else {
    arrived(data->data, index, clients_[index].at_client);
  }
}

void Relay::receive_at_client(std::size_t index) {
  Allocation& a = clients_[index];
  if (a.transport == Transport::Udp) {
    const std::size_t count = in_.receive(a.socket, false);
    for (std::size_t i = 0; i < count; ++i) in_.for_each(i, [&](ByteView one) { client_got(index, one); });
    return;
  }
  if (!receive_stream(a)) return;
  std::size_t at = 0;
  for (;;) {
    const auto frame = stun::next_frame(ByteView(a.in).subspan(at));
    errno = 0;
    if (!frame) die("a stream is neither STUN nor ChannelData");
    if (!frame->has_value()) break;
    client_got(index, (*frame)->message);
    at += (*frame)->consumed_bytes;
  }
  a.in.erase(a.in.begin(), a.in.begin() + static_cast<std::ptrdiff_t>(at));
}

std::size_t Relay::receive_all() {
  const std::uint64_t before = totals_.received;
  if (o_.mode != Mode::ToClient) receive_at_peer();
  if (o_.mode != Mode::ToPeer) {
    if (clients_.size() == 1) {
      receive_at_client(0);
    } else {
      std::array<epoll_event, kBatch> events{};
      const int n = epoll_wait(epoll_.get(), events.data(), kBatch, 0);
      for (int i = 0; i < n; ++i)
        receive_at_client(static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.u64));
    }
  }
  return static_cast<std::size_t>(totals_.received - before);
}

}  // namespace ts::load
