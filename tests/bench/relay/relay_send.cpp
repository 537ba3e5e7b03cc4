// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <turnstone/stun/channel_data.hpp>

#include "relay.hpp"

namespace ts::load {

namespace {

constexpr std::size_t kChannelHeader = 4;

}  // namespace

std::size_t Relay::send_some(std::size_t count, std::uint64_t due_ns) {
  std::size_t sent = 0;
  if (o_.mode == Mode::ToClient) {
    sent = send_to_clients(count, due_ns);
  } else {
    const std::size_t burst = clients_.size() == 1 && !o_.trains ? kBatch : std::min(o_.burst, kBatch);
    while (sent < count) {
      const std::size_t want = std::min(count - sent, burst);
      const std::size_t n = send_to_peer(next_client_, want, due_ns);
      next_client_ = next_client_ + 1 == clients_.size() ? 0 : next_client_ + 1;
      sent += n;
      if (n < want) break;
    }
  }
  totals_.sent += sent;
  return sent;
}

/// The parts of message `at`: a head with the stamp at its end, and the filling.
void Relay::prepare(std::size_t at, std::size_t head_bytes, std::uint64_t sequence) {
  out_.parts[at][0] = {out_.heads[at].data(), head_bytes};
  out_.parts[at][1] = {const_cast<std::uint8_t*>(filling(sequence)), o_.payload - kStampBytes};
  msghdr& header = out_.messages[at].msg_hdr;
  header.msg_iov = out_.parts[at].data();
  header.msg_iovlen = 2;
  header.msg_name = nullptr;
  header.msg_namelen = 0;
}

/// Sends the first `count` datagrams of the batch, which as trains go to one place; how many went.
std::size_t Relay::send_prepared(const Fd& socket, std::size_t count, std::size_t datagram_bytes) {
  return o_.trains ? out_.send_trains(socket, count, datagram_bytes) : out_.send(socket, count);
}

std::size_t Relay::send_to_peer(std::size_t index, std::size_t count, std::uint64_t due_ns) {
  Allocation& a = clients_[index];
  if (a.transport != Transport::Udp) return send_over_stream(index, count, due_ns);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t sequence = a.sent_to_peer + i;
    std::uint8_t* head = out_.heads[i].data();
    stun::write_channel_data_header(head, a.channel, o_.payload);
    stamp(head + kChannelHeader, index, sequence, due_ns);
    prepare(i, kChannelHeader + kStampBytes, sequence);
  }
  const std::size_t sent = send_prepared(a.socket, count, kChannelHeader + o_.payload);
  a.sent_to_peer += sent;
  return sent;
}

std::size_t Relay::send_over_stream(std::size_t index, std::size_t count, std::uint64_t due_ns) {
  Allocation& a = clients_[index];
  if (flush(a) != 0) return 0;
  std::array<std::uint8_t, kChannelHeader + kMaxPayload + 4> frame{};
  for (std::size_t i = 0; i < count; ++i, ++a.sent_to_peer) {
    stun::write_channel_data_header(frame.data(), a.channel, o_.payload);
    stamp(frame.data() + kChannelHeader, index, a.sent_to_peer, due_ns);
    std::copy_n(filling(a.sent_to_peer), o_.payload - kStampBytes,
                frame.data() + kChannelHeader + kStampBytes);
    queue(a, ByteView(frame).first(kChannelHeader + stun::padded(o_.payload)));
  }
  flush(a);
  return count;
}

std::size_t Relay::send_to_clients(std::size_t count, std::uint64_t due_ns) {
  std::size_t sent = 0;
  while (sent < count) {
    // A train goes to one client; else each packet goes to the next one, burst by burst.
    const std::size_t want = std::min({count - sent, o_.trains ? o_.burst : kBatch, kBatch});
    std::array<std::size_t, kBatch> to{};
    for (std::size_t i = 0; i < want; ++i) {
      const std::size_t index = to[i] = (next_client_ + (turn_ + i) / o_.burst) % clients_.size();
      // A client may have several packets of one batch: its numbers follow its place in the batch.
      const std::uint64_t sequence = clients_[index].sent_to_client++;
      stamp(out_.heads[i].data(), index, sequence, due_ns);
      prepare(i, kStampBytes, sequence);
      out_.messages[i].msg_hdr.msg_name = relayed_[index].get();
      out_.messages[i].msg_hdr.msg_namelen = relayed_[index].size;
    }
    const std::size_t n = send_prepared(peer_, want, o_.payload);
    for (std::size_t i = want; i > n; --i) --clients_[to[i - 1]].sent_to_client;
    turn_ += n;
    next_client_ = (next_client_ + turn_ / o_.burst) % clients_.size();
    turn_ %= o_.burst;
    sent += n;
    if (n < want) break;
  }
  return sent;
}

}  // namespace ts::load
