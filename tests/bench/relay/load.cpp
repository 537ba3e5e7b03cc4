// SPDX-License-Identifier: Apache-2.0
// One thread drives clients and peer, spinning: a server that answers never pays for waking somebody up.
#include "load.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/channel_data.hpp>
#include <turnstone/stun/framer.hpp>

#include "histogram.hpp"

namespace ts::load {

namespace {

constexpr std::size_t kBatch = 64;
constexpr std::uint32_t kMagic = 0x74756C64;  // "tuld"
/// magic, allocation, sequence number, time of sending.
constexpr std::size_t kStampBytes = 24;
constexpr std::size_t kMaxPayload = 9000;
/// A train at most.
constexpr std::size_t kMaxTrainBytes = 65'000;
constexpr std::uint64_t kStallNs = 250'000'000;
constexpr std::uint64_t kDrainNs = 300'000'000;

/// Bytes behind the stamp; a packet starts at an offset that depends on its number.
const std::vector<std::uint8_t>& pattern() {
  static const std::vector<std::uint8_t> bytes = [] {
    std::vector<std::uint8_t> out(kMaxPayload + 64);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(mix64(i, 7));
    return out;
  }();
  return bytes;
}

struct Totals {
  std::uint64_t sent = 0, received = 0;
  std::uint64_t corrupt = 0, wrong_channel = 0, wrong_source = 0, reordered = 0, duplicate = 0, other = 0;
  std::uint64_t send_refused = 0;
  bool right() const noexcept { return corrupt + wrong_channel + wrong_source + reordered + duplicate == 0; }
};

/// Storage for one recvmmsg or sendmmsg call.
struct Batch {
  using Control = std::array<std::uint8_t, CMSG_SPACE(sizeof(int))>;

  std::array<mmsghdr, kBatch> messages{};
  std::array<std::array<iovec, 2>, kBatch> parts{};
  alignas(cmsghdr) std::array<Control, kBatch> controls{};
  std::array<SocketAddress, kBatch> addresses{};
  std::array<std::array<std::uint8_t, 32>, kBatch> heads{};
  std::array<std::size_t, kBatch> segments{};
  std::size_t packet_bytes;
  std::vector<std::uint8_t> bytes;

  explicit Batch(std::size_t room) : packet_bytes(room), bytes(room * kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts[i][0] = {bytes.data() + i * packet_bytes, packet_bytes};
      messages[i].msg_hdr.msg_iov = parts[i].data();
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  }
  /// What recvmmsg put at `i`.
  ByteView packet(std::size_t i) const noexcept {
    return {static_cast<const std::uint8_t*>(parts[i][0].iov_base), messages[i].msg_len};
  }
  /// The size of the datagrams of the train at `i`; of a single datagram its own.
  std::size_t segment(std::size_t i) noexcept {
    msghdr& header = messages[i].msg_hdr;
    int size = 0;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
        std::memcpy(&size, CMSG_DATA(c), sizeof size);
    }
    return size > 0 ? static_cast<std::size_t>(size) : messages[i].msg_len;
  }
  /// Calls `f` with each datagram that recvmmsg put at `i`.
  template <class F>
  void for_each(std::size_t i, F f) {
    const std::size_t size = std::max<std::size_t>(segments[i], 1);
    ByteView rest = packet(i);
    do {
      const std::size_t n = std::min(size, rest.size());
      f(rest.first(n));
      rest = rest.subspan(n);
    } while (!rest.empty());
  }
  /// Makes message `i` a train of datagrams of this size.
  void make_train(std::size_t i, std::size_t segment) noexcept {
    msghdr& header = messages[i].msg_hdr;
    header.msg_control = controls[i].data();
    header.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto size = static_cast<std::uint16_t>(segment);
    std::memcpy(CMSG_DATA(c), &size, sizeof size);
  }
  /// Receives into the batch; the number of messages.
  std::size_t receive(const Fd& socket, bool with_source) noexcept {
    for (std::size_t i = 0; i < kBatch; ++i) {
      messages[i].msg_hdr.msg_control = controls[i].data();
      messages[i].msg_hdr.msg_controllen = controls[i].size();
      if (!with_source) continue;
      addresses[i].size = sizeof(sockaddr_storage);
      messages[i].msg_hdr.msg_name = addresses[i].get();
      messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage);
    }
    const int n = recvmmsg(socket.get(), messages.data(), kBatch, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < n; ++i) segments[static_cast<std::size_t>(i)] = segment(static_cast<std::size_t>(i));
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }
};

class RelayRun {
 public:
  explicit RelayRun(const Options& options)
      : o_(options), in_(options.trains ? 65'536 : options.payload + 128), out_(0), stream_buffer_(1 << 18) {}

  int run() {
    set_up();
    loop();
    tear_down();
    report();
    return totals_.right() && received_in_window_ > 0 ? 0 : 1;
  }

 private:
  void set_up();
  void loop();
  void tear_down();
  void report() const;

  std::size_t send_some(std::size_t count, std::uint64_t due_ns);
  std::size_t send_to_peer(std::size_t index, std::size_t count, std::uint64_t due_ns);
  /// Makes trains of the first `count` datagrams of the batch, which go to one place; the number of messages.
  std::size_t couple(std::size_t count, std::size_t datagram_bytes);
  /// How many datagrams the first `messages` of the batch carry.
  std::size_t carried(std::size_t messages, std::size_t count, std::size_t datagram_bytes) const;
  void peer_got(ByteView payload, const SocketAddress& from);
  std::size_t send_to_clients(std::size_t count, std::uint64_t due_ns);
  std::size_t flush(Allocation& a);
  std::size_t receive_all();
  std::size_t receive_at_peer();
  std::size_t receive_at_client(std::size_t index);
  void from_server(std::size_t index, ByteView message);
  void check(ByteView payload, std::size_t index, std::uint64_t& expected);
  void stamp(std::uint8_t* out, std::size_t index, std::uint64_t sequence, std::uint64_t time) const;
  IpAddress client_address(std::size_t index) const;

  const Options& o_;
  std::vector<Allocation> clients_;
  std::vector<SocketAddress> relayed_;
  Fd peer_;
  Fd epoll_;
  Batch in_, out_;
  std::vector<std::uint8_t> stream_buffer_;
  std::size_t next_client_ = 0;
  /// Packets of its burst that it has had.
  std::size_t turn_ = 0;
  Totals totals_;
  Histogram latency_;
  bool measuring_ = false;
  std::uint64_t now_ = 0;

  std::uint64_t received_in_window_ = 0, lost_ = 0;
  double seconds_ = 0, cpu_ = 0;
};

void take_trains(const Fd& socket) {
  const int on = 1;
  if (setsockopt(socket.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof on) != 0) die("UDP_GRO");
}

IpAddress spread_address(const Options& o, std::size_t index) {
  if (!o.spread || !o.client_address.is_v4()) return o.client_address;
  return IpAddress::v4(127, 1, static_cast<std::uint8_t>(index / 250),
                       static_cast<std::uint8_t>(1 + index % 250));
}

IpAddress RelayRun::client_address(std::size_t index) const { return spread_address(o_, index); }

void RelayRun::set_up() {
  peer_ = udp_socket({o_.peer_address, o_.peer_port});
  if (o_.trains) take_trains(peer_);
  const Endpoint peer = local_endpoint(peer_);
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  for (std::size_t i = 0; i < o_.allocations; ++i) {
    const Endpoint local{client_address(i), 0};
    Allocation a;
    if (o_.bare) {
      a = open_client(o_.transport, local, o_.server);
      a.channel = stun::kMinChannel;
      a.relayed = o_.forward_to;
      // The forwarder learns where its client is from a first packet, which the peer must not see as load.
      std::array<std::uint8_t, 4> hello{};
      stun::write_channel_data_header(hello.data(), a.channel, 0);
      send(a.socket.get(), hello.data(), hello.size(), 0);
      if (wait_readable(peer_, 1000)) recv(peer_.get(), hello.data(), hello.size(), 0);
    } else {
      a = allocate(o_.transport, local, o_.server, o_.credentials, o_.peer_address.family());
      bind_channel(a, o_.credentials, static_cast<std::uint16_t>(stun::kMinChannel + i % 0x1000), peer);
    }
    if (o_.trains) take_trains(a.socket);
    relayed_.emplace_back(a.relayed);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, a.socket.get(), &event);
    clients_.push_back(std::move(a));
  }
}

void RelayRun::stamp(std::uint8_t* out, std::size_t index, std::uint64_t sequence, std::uint64_t time) const {
  store_be32(out, kMagic);
  store_be32(out + 4, static_cast<std::uint32_t>(index));
  store_be64(out + 8, sequence);
  store_be64(out + 16, time);
}

/// Checks one payload that arrived, and counts it.
void RelayRun::check(ByteView payload, std::size_t index, std::uint64_t& expected) {
  if (payload.size() != o_.payload || load_be32(payload.data()) != kMagic) {
    ++totals_.corrupt;
    return;
  }
  const std::uint64_t sequence = load_be64(payload.data() + 8);
  const std::size_t rest = payload.size() - kStampBytes;
  if (load_be32(payload.data() + 4) != index ||
      std::memcmp(payload.data() + kStampBytes, pattern().data() + sequence % 64, rest) != 0) {
    ++totals_.corrupt;
    return;
  }
  if (sequence < expected) {
    ++totals_.reordered;
  } else {
    expected = sequence + 1;
  }
  ++totals_.received;
  if (!measuring_) return;
  ++received_in_window_;
  latency_.add(now_ns() - load_be64(payload.data() + 16));
}

/// Sends up to `count` packets over the next allocations; how many went.
std::size_t RelayRun::send_some(std::size_t count, std::uint64_t due_ns) {
  if (o_.mode == Mode::ToClient) return send_to_clients(count, due_ns);
  std::size_t sent = 0;
  while (sent < count) {
    const std::size_t burst = clients_.size() == 1 && !o_.trains ? kBatch : o_.burst;
    const std::size_t want = std::min({count - sent, burst, kBatch});
    const std::size_t n = send_to_peer(next_client_, want, due_ns);
    next_client_ = next_client_ + 1 == clients_.size() ? 0 : next_client_ + 1;
    sent += n;
    if (n < want) break;
  }
  totals_.sent += sent;
  return sent;
}

std::size_t RelayRun::send_to_peer(std::size_t index, std::size_t count, std::uint64_t due_ns) {
  Allocation& a = clients_[index];
  if (a.transport == Transport::Tcp) {
    if (flush(a) != 0) return 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t start = a.out.size();
      a.out.resize(start + 4 + stun::padded(o_.payload));
      stun::write_channel_data_header(a.out.data() + start, a.channel, o_.payload);
      stamp(a.out.data() + start + 4, index, a.sent_to_peer, due_ns);
      std::memcpy(a.out.data() + start + 4 + kStampBytes, pattern().data() + a.sent_to_peer % 64,
                  o_.payload - kStampBytes);
      ++a.sent_to_peer;
    }
    flush(a);
    return count;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t sequence = a.sent_to_peer + i;
    std::uint8_t* head = out_.heads[i].data();
    stun::write_channel_data_header(head, a.channel, o_.payload);
    stamp(head + 4, index, sequence, due_ns);
    out_.parts[i][0] = {head, 4 + kStampBytes};
    out_.parts[i][1] = {const_cast<std::uint8_t*>(pattern().data() + sequence % 64),
                        o_.payload - kStampBytes};
    out_.messages[i].msg_hdr.msg_iov = out_.parts[i].data();
    out_.messages[i].msg_hdr.msg_iovlen = 2;
    out_.messages[i].msg_hdr.msg_name = nullptr;
    out_.messages[i].msg_hdr.msg_namelen = 0;
  }
  const std::size_t bytes = 4 + o_.payload;
  const std::size_t messages = couple(count, bytes);
  const int n = sendmmsg(a.socket.get(), out_.messages.data(), static_cast<unsigned>(messages), MSG_DONTWAIT);
  if (n <= 0) {
    ++totals_.send_refused;
    return 0;
  }
  const std::size_t sent = carried(static_cast<std::size_t>(n), count, bytes);
  a.sent_to_peer += sent;
  return sent;
}

std::size_t RelayRun::couple(std::size_t count, std::size_t datagram_bytes) {
  if (!o_.trains) return count;
  const std::size_t most = std::min(kBatch, kMaxTrainBytes / datagram_bytes);
  std::size_t messages = 0;
  for (std::size_t first = 0; first < count; first += most, ++messages) {
    msghdr& header = out_.messages[messages].msg_hdr;
    header.msg_iov = out_.parts[first].data();
    header.msg_iovlen = 2 * std::min(most, count - first);
    header.msg_name = out_.messages[first].msg_hdr.msg_name;
    header.msg_namelen = out_.messages[first].msg_hdr.msg_namelen;
    out_.make_train(messages, datagram_bytes);
  }
  return messages;
}

std::size_t RelayRun::carried(std::size_t messages, std::size_t count, std::size_t datagram_bytes) const {
  return o_.trains ? std::min(count, messages * std::min(kBatch, kMaxTrainBytes / datagram_bytes)) : messages;
}

std::size_t RelayRun::send_to_clients(std::size_t count, std::uint64_t due_ns) {
  std::size_t sent = 0;
  while (sent < count) {
    // A train goes to one client; else each packet goes to the next one, burst by burst.
    const std::size_t want = std::min(count - sent, o_.trains ? std::min(o_.burst, kBatch) : kBatch);
    std::array<std::size_t, kBatch> to{};
    for (std::size_t i = 0; i < want; ++i) {
      const std::size_t index = to[i] = (next_client_ + (turn_ + i) / o_.burst) % clients_.size();
      // A client may have several packets of one batch: its numbers follow its place in the batch.
      const std::uint64_t sequence = clients_[index].sent_to_client++;
      std::uint8_t* head = out_.heads[i].data();
      stamp(head, index, sequence, due_ns);
      out_.parts[i][0] = {head, kStampBytes};
      out_.parts[i][1] = {const_cast<std::uint8_t*>(pattern().data() + sequence % 64),
                          o_.payload - kStampBytes};
      out_.messages[i].msg_hdr.msg_iov = out_.parts[i].data();
      out_.messages[i].msg_hdr.msg_iovlen = 2;
      out_.messages[i].msg_hdr.msg_name = relayed_[index].get();
      out_.messages[i].msg_hdr.msg_namelen = relayed_[index].size;
    }
    const std::size_t messages = couple(want, o_.payload);
    const int r = sendmmsg(peer_.get(), out_.messages.data(), static_cast<unsigned>(messages), MSG_DONTWAIT);
    const std::size_t n = r > 0 ? carried(static_cast<std::size_t>(r), want, o_.payload) : 0;
    for (std::size_t i = want; i > n; --i) --clients_[to[i - 1]].sent_to_client;
    turn_ += n;
    next_client_ = (next_client_ + turn_ / o_.burst) % clients_.size();
    turn_ %= o_.burst;
    sent += n;
    if (n < want) {
      ++totals_.send_refused;
      break;
    }
  }
  totals_.sent += sent;
  return sent;
}

/// Writes what a stream did not take before; the bytes still left.
std::size_t RelayRun::flush(Allocation& a) {
  std::size_t done = 0;
  while (done < a.out.size()) {
    const ssize_t n =
        send(a.socket.get(), a.out.data() + done, a.out.size() - done, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) die("send");
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  a.out.erase(a.out.begin(), a.out.begin() + static_cast<std::ptrdiff_t>(done));
  return a.out.size();
}

void RelayRun::peer_got(ByteView payload, const SocketAddress& from) {
  const std::size_t index = payload.size() >= 8 ? load_be32(payload.data() + 4) : clients_.size();
  if (index >= clients_.size()) {
    ++totals_.corrupt;
    return;
  }
  if (!o_.bare && from.endpoint() != clients_[index].relayed) ++totals_.wrong_source;
  if (o_.mode == Mode::ToPeer) check(payload, index, clients_[index].expected_by_peer);
}

std::size_t RelayRun::receive_at_peer() {
  const std::size_t count = in_.receive(peer_, true);
  const std::uint64_t before = totals_.received;
  for (std::size_t i = 0; i < count; ++i) {
    in_.for_each(i, [&](ByteView payload) { peer_got(payload, in_.addresses[i]); });
  }
  if (o_.mode == Mode::Echo && count > 0) {
    for (std::size_t i = 0; i < count; ++i) {
      in_.parts[i][0].iov_len = in_.messages[i].msg_len;
      in_.messages[i].msg_hdr.msg_namelen = in_.addresses[i].size = SocketAddress(o_.server).size;
      in_.messages[i].msg_hdr.msg_controllen = 0;
      if (const std::size_t segment = in_.segments[i]; segment < in_.messages[i].msg_len)
        in_.make_train(i, segment);
    }
    sendmmsg(peer_.get(), in_.messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
    for (std::size_t i = 0; i < count; ++i) in_.parts[i][0].iov_len = in_.packet_bytes;
  }
  return static_cast<std::size_t>(totals_.received - before);
}

/// One message of the server: ChannelData, or an answer to a Refresh that nobody waits for.
void RelayRun::from_server(std::size_t index, ByteView message) {
  const auto data = stun::parse_channel_data(message);
  if (!data) {
    ++totals_.other;
  } else if (data->channel != clients_[index].channel) {
    ++totals_.wrong_channel;
  } else {
    check(data->data, index, clients_[index].expected_by_client);
  }
}

std::size_t RelayRun::receive_at_client(std::size_t index) {
  Allocation& a = clients_[index];
  const std::uint64_t before = totals_.received;
  if (a.transport == Transport::Udp) {
    const std::size_t count = in_.receive(a.socket, false);
    for (std::size_t i = 0; i < count; ++i) in_.for_each(i, [&](ByteView one) { from_server(index, one); });
    return static_cast<std::size_t>(totals_.received - before);
  }
  const ssize_t n = recv(a.socket.get(), stream_buffer_.data(), stream_buffer_.size(), MSG_DONTWAIT);
  if (n == 0) die("the server closed a connection");
  if (n < 0) return 0;
  a.in.insert(a.in.end(), stream_buffer_.begin(), stream_buffer_.begin() + n);
  std::size_t at = 0;
  for (;;) {
    const auto frame = stun::next_frame(ByteView(a.in).subspan(at));
    if (!frame) die("a stream is neither STUN nor ChannelData");
    if (!frame->has_value()) break;
    from_server(index, (*frame)->message);
    at += (*frame)->consumed_bytes;
  }
  a.in.erase(a.in.begin(), a.in.begin() + static_cast<std::ptrdiff_t>(at));
  return static_cast<std::size_t>(totals_.received - before);
}

std::size_t RelayRun::receive_all() {
  std::size_t got = o_.mode == Mode::ToClient ? 0 : receive_at_peer();
  if (o_.mode == Mode::ToPeer) return got;
  if (clients_.size() == 1) return got + receive_at_client(0);
  std::array<epoll_event, kBatch> events{};
  const int n = epoll_wait(epoll_.get(), events.data(), kBatch, 0);
  for (int i = 0; i < n; ++i) {
    got += receive_at_client(static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.u64));
  }
  return got;
}

void RelayRun::loop() {
  const std::uint64_t start = now_ns();
  const std::uint64_t from = start + static_cast<std::uint64_t>(o_.warmup * 1e9);
  const std::uint64_t until = from + static_cast<std::uint64_t>(o_.seconds * 1e9);
  std::uint64_t last_progress = start, began = 0;
  double cpu_before = 0;
  std::uint64_t paced = 0;
  for (;;) {
    now_ = now_ns();
    if (!measuring_ && now_ >= from) {
      measuring_ = true;
      cpu_before = cpu_seconds(o_.server_pid);
      began = now_ns();
    }
    if (now_ >= until) break;
    if (o_.rate > 0) {
      const auto due = static_cast<std::uint64_t>(static_cast<double>(now_ - start) * o_.rate / 1e9);
      // Each packet carries the time it was due, so that a late generator or server shows in the latency.
      for (; paced < due; ++paced) {
        send_some(1, start + static_cast<std::uint64_t>(static_cast<double>(paced + 1) * 1e9 / o_.rate));
      }
    } else {
      const std::uint64_t in_flight = totals_.sent - totals_.received - lost_;
      if (in_flight < o_.window) send_some(o_.window - static_cast<std::size_t>(in_flight), now_);
    }
    const std::size_t got = receive_all();
    if (o_.transport == Transport::Tcp) {
      for (Allocation& a : clients_) flush(a);
    }
    if (got > 0) {
      last_progress = now_;
    } else if (o_.rate <= 0 && now_ - last_progress > kStallNs) {
      lost_ = totals_.sent - totals_.received;
      last_progress = now_;
    }
  }
  measuring_ = false;
  seconds_ = static_cast<double>(now_ns() - began) / 1e9;
  cpu_ = cpu_seconds(o_.server_pid) - cpu_before;
  for (const std::uint64_t end = now_ns() + kDrainNs; now_ns() < end;) receive_all();
}

void RelayRun::tear_down() {
  if (o_.bare) return;
  for (Allocation& a : clients_) release(a, o_.credentials);
}

void RelayRun::report() const {
  const auto packets = static_cast<double>(received_in_window_);
  const std::uint64_t lost = totals_.sent - std::min(totals_.sent, totals_.received);
  std::printf(
      "{\"packets\": %llu, \"seconds\": %.3f, \"packets_per_second\": %.0f, \"sent\": %llu, \"lost\": %llu, "
      "\"corrupt\": %llu, \"wrong_channel\": %llu, \"wrong_source\": %llu, \"reordered\": %llu, "
      "\"server_cpu_seconds\": %.2f, \"server_us_per_packet\": %.3f, \"server_busy\": %.2f, "
      "\"latency_us\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}}\n",
      static_cast<unsigned long long>(received_in_window_), seconds_, packets / seconds_,
      static_cast<unsigned long long>(totals_.sent), static_cast<unsigned long long>(lost),
      static_cast<unsigned long long>(totals_.corrupt),
      static_cast<unsigned long long>(totals_.wrong_channel),
      static_cast<unsigned long long>(totals_.wrong_source),
      static_cast<unsigned long long>(totals_.reordered), cpu_, packets > 0 ? cpu_ * 1e6 / packets : 0.0,
      cpu_ / seconds_, static_cast<double>(latency_.quantile(0.5)) / 1e3,
      static_cast<double>(latency_.quantile(0.9)) / 1e3, static_cast<double>(latency_.quantile(0.99)) / 1e3,
      static_cast<double>(latency_.quantile(0.999)) / 1e3, static_cast<double>(latency_.quantile(1.0)) / 1e3);
}

}  // namespace

double cpu_seconds(int pid) {
  if (pid <= 0) return 0;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t end = line.rfind(')');
  if (end == std::string::npos) return 0;
  std::istringstream fields(line.substr(end + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

int run_relay(const Options& options) {
  if (options.payload < kStampBytes || options.payload > kMaxPayload) {
    errno = EINVAL;
    die("--payload: 24 to 9000");
  }
  return std::make_unique<RelayRun>(options)->run();
}

int run_binding(const Options& o) {
  std::vector<Allocation> clients;
  for (std::size_t i = 0; i < o.allocations; ++i) {
    clients.push_back(open_client(Transport::Udp, {spread_address(o, i), 0}, o.server));
  }
  // Sixteen requests a client and system call; an answer is matched by method, class and transaction id.
  const std::size_t each = std::clamp<std::size_t>(o.window / o.allocations, 1, kBatch);
  std::array<std::array<std::uint8_t, 64>, kBatch> requests{};
  Batch out(0), in(512);
  std::uint64_t received = 0, wrong = 0, lost = 0;
  const std::uint64_t start = now_ns();
  const std::uint64_t from = start + static_cast<std::uint64_t>(o.warmup * 1e9);
  const std::uint64_t until = from + static_cast<std::uint64_t>(o.seconds * 1e9);
  bool measuring = false;
  double cpu = 0;
  std::uint64_t began = start;
  for (std::size_t c = 0; now_ns() < until; c = (c + 1) % clients.size()) {
    if (!measuring && now_ns() >= from) {
      measuring = true;
      received = wrong = lost = 0;
      began = now_ns();
      cpu = cpu_seconds(o.server_pid);
    }
    for (std::size_t i = 0; i < each; ++i) {
      stun::MessageBuilder builder(requests[i], stun::MessageClass::Request, stun::Method::Binding,
                                   next_transaction_id());
      const ByteView message = builder.finish();
      out.parts[i][0] = {requests[i].data(), message.size()};
    }
    const int n = sendmmsg(clients[c].socket.get(), out.messages.data(), static_cast<unsigned>(each), 0);
    std::size_t open = n > 0 ? static_cast<std::size_t>(n) : 0;
    const std::uint64_t give_up = now_ns() + kStallNs;
    while (open > 0 && now_ns() < give_up) {
      const std::size_t got = in.receive(clients[c].socket, false);
      for (std::size_t i = 0; i < got; ++i) {
        const auto view = stun::MessageView::parse(in.packet(i));
        const bool right = view && view->method() == stun::Method::Binding &&
                           view->message_class() == stun::MessageClass::SuccessResponse &&
                           view->find(stun::AttributeType::XorMappedAddress).has_value();
        right ? ++received : ++wrong;
      }
      open -= std::min(open, got);
    }
    lost += open;
  }
  const double seconds = static_cast<double>(now_ns() - began) / 1e9;
  cpu = cpu_seconds(o.server_pid) - cpu;
  std::printf(
      "{\"answers\": %llu, \"seconds\": %.3f, \"answers_per_second\": %.0f, \"lost\": %llu, "
      "\"wrong\": %llu, \"server_cpu_seconds\": %.2f, \"server_us_per_answer\": %.3f}\n",
      static_cast<unsigned long long>(received), seconds, static_cast<double>(received) / seconds,
      static_cast<unsigned long long>(lost), static_cast<unsigned long long>(wrong), cpu,
      received > 0 ? cpu * 1e6 / static_cast<double>(received) : 0.0);
  return received > 0 && wrong == 0 ? 0 : 1;
}

int run_idle(const Options& o) {
  std::vector<Allocation> clients;
  for (std::size_t i = 0; i < o.allocations; ++i) {
    clients.push_back(open_client(o.transport, {spread_address(o, i), 0}, o.server));
  }
  std::printf("sockets\n");
  std::fflush(stdout);
  if (std::getchar() == EOF) return 1;
  const std::uint64_t start = now_ns();
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const IpFamily family = o.peer_address.family();
    if (allocate(clients[i], o.credentials, family)) continue;
    clients[i] = allocate(o.transport, {spread_address(o, i), 0}, o.server, o.credentials, family);
  }
  std::printf("allocated %.3f\n", static_cast<double>(now_ns() - start) / 1e9);
  std::fflush(stdout);
  if (std::getchar() == EOF) return 1;
  for (Allocation& a : clients) release(a, o.credentials);
  return 0;
}

}  // namespace ts::load
