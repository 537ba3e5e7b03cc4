// SPDX-License-Identifier: Apache-2.0
// What the kernel alone costs: forwarders without any check, with one datagram, a batch or trains for each
// system call.
#include "forward.hpp"

#include <csignal>
#include <cstdio>

#include <sys/epoll.h>

#include <turnstone/stun/channel_data.hpp>

#include "batch.hpp"
#include "load.hpp"

namespace ts::load {

namespace {

constexpr std::size_t kDatagramRoom = 2048;
constexpr std::size_t kTrainRoom = 65'536;
constexpr std::uint64_t kFaultEvery = 1000;
constexpr std::uint64_t kFront = ~std::uint64_t{0};
volatile std::sig_atomic_t stop = 0;

void on_signal(int) { stop = 1; }

class Forwarder {
 public:
  explicit Forwarder(const Options& o)
      : o_(o), pipes_(o), in_(o.engine == Engine::Trains ? kTrainRoom : kDatagramRoom), out_(0) {}
  void run();

 private:
  void one_from_front();
  void one_from_back(std::size_t flow);
  void batch_from_front();
  void batch_from_back(std::size_t flow);
  void add(std::size_t flow, bool to_client, ByteView payload);
  void put(bool to_client, ByteView payload, std::uint16_t channel);
  void flush();

  const Options& o_;
  Pipes pipes_;
  Batch in_, out_;
  /// What is gathered: datagrams of one flow and direction, as trains of one size.
  std::size_t gathered_ = 0, flow_ = 0, size_ = 0;
  bool to_client_ = false;
  std::uint64_t moved_ = 0;
  /// What the next datagram overtakes.
  std::vector<std::uint8_t> held_;
};

/// recvfrom leaves room for a header in front of what it brings.
void Forwarder::one_from_front() {
  std::uint8_t* at = in_.bytes.data();
  SocketAddress source;
  for (std::size_t i = 0; i < kBatch; ++i) {
    source.size = sizeof source.storage;
    const ssize_t n =
        recvfrom(pipes_.front.get(), at, kDatagramRoom, MSG_DONTWAIT, source.get(), &source.size);
    if (n < static_cast<ssize_t>(kHeaderBytes)) return;
    const std::size_t flow = pipes_.flow_of({at, static_cast<std::size_t>(n)});
    if (flow == pipes_.clients.size()) continue;
    pipes_.clients[flow] = source;
    sendto(pipes_.backs[flow].get(), at + kHeaderBytes, static_cast<std::size_t>(n) - kHeaderBytes,
           MSG_DONTWAIT, pipes_.peer.get(), pipes_.peer.size);
  }
}

void Forwarder::one_from_back(std::size_t flow) {
  std::uint8_t* at = in_.bytes.data();
  SocketAddress source;
  SocketAddress& to = pipes_.clients[flow];
  for (std::size_t i = 0; i < kBatch; ++i) {
    source.size = sizeof source.storage;
    const ssize_t n = recvfrom(pipes_.backs[flow].get(), at + kHeaderBytes, kDatagramRoom - kHeaderBytes,
                               MSG_DONTWAIT, source.get(), &source.size);
    if (n < 0) return;
    stun::write_channel_data_header(at, static_cast<std::uint16_t>(stun::kMinChannel + flow),
                                    static_cast<std::size_t>(n));
    sendto(pipes_.front.get(), at, kHeaderBytes + static_cast<std::size_t>(n), MSG_DONTWAIT, to.get(),
           to.size);
  }
}

void Forwarder::batch_from_front() {
  const std::size_t count = in_.receive(pipes_.front, true);
  for (std::size_t i = 0; i < count; ++i) {
    in_.for_each(i, [&](ByteView message) {
      const std::size_t flow = pipes_.flow_of(message);
      if (flow == pipes_.clients.size()) return;
      pipes_.clients[flow] = in_.addresses[i];
      add(flow, false, message.subspan(kHeaderBytes));
    });
  }
  flush();
}

void Forwarder::batch_from_back(std::size_t flow) {
  const std::size_t count = in_.receive(pipes_.backs[flow], true);
  for (std::size_t i = 0; i < count; ++i)
    in_.for_each(i, [&](ByteView payload) { add(flow, true, payload); });
  flush();
}

void Forwarder::add(std::size_t flow, bool to_client, ByteView payload) {
  const bool fits = gathered_ < kBatch - 1 && flow == flow_ && to_client == to_client_ &&
                    (o_.engine != Engine::Trains || payload.size() == size_);
  if (gathered_ > 0 && !fits) flush();
  flow_ = flow;
  to_client_ = to_client;
  size_ = payload.size();
  auto channel = static_cast<std::uint16_t>(stun::kMinChannel + flow);
  const bool wrong = o_.fault != Fault::None && ++moved_ % kFaultEvery == 0 && payload.size() > 0;
  if (wrong && o_.fault == Fault::Drop) return;
  if (wrong && o_.fault == Fault::Channel) ++channel;
  if (wrong && o_.fault == Fault::Corrupt) const_cast<std::uint8_t&>(payload.back()) ^= 1;
  if (wrong && o_.fault == Fault::Swap) {
    held_.assign(payload.begin(), payload.end());
    return;
  }
  put(to_client, payload, channel);
  if (!held_.empty()) {
    put(to_client, held_, channel);
    flush();
    held_.clear();
  }
  if (wrong && o_.fault == Fault::Duplicate) put(to_client, payload, channel);
}

void Forwarder::put(bool to_client, ByteView payload, std::uint16_t channel) {
  std::uint8_t* head = out_.heads[gathered_].data();
  stun::write_channel_data_header(head, channel, payload.size());
  out_.parts[gathered_][0] = {head, to_client ? kHeaderBytes : 0};
  out_.parts[gathered_][1] = {const_cast<std::uint8_t*>(payload.data()), payload.size()};
  SocketAddress& to = to_client ? pipes_.clients[flow_] : pipes_.peer;
  msghdr& header = out_.messages[gathered_].msg_hdr;
  header.msg_iov = out_.parts[gathered_].data();
  header.msg_iovlen = 2;
  header.msg_name = to.get();
  header.msg_namelen = to.size;
  ++gathered_;
}

void Forwarder::flush() {
  if (gathered_ == 0) return;
  const Fd& socket = to_client_ ? pipes_.front : pipes_.backs[flow_];
  if (o_.engine == Engine::Trains) {
    out_.send_trains(socket, gathered_, size_ + (to_client_ ? kHeaderBytes : 0));
  } else {
    out_.send(socket, gathered_);
  }
  gathered_ = 0;
}

void Forwarder::run() {
  const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  const auto watch = [&epoll](const Fd& socket, std::uint64_t what) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = what;
    epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket.get(), &event);
  };
  watch(pipes_.front, kFront);
  for (std::size_t i = 0; i < pipes_.backs.size(); ++i) watch(pipes_.backs[i], i);
  if (o_.engine == Engine::Trains) {
    take_trains(pipes_.front);
    for (const Fd& back : pipes_.backs) take_trains(back);
  }
  std::printf("ready\n");
  std::fflush(stdout);
  std::array<epoll_event, kBatch> events{};
  while (keep_running()) {
    const int n = epoll_wait(epoll.get(), events.data(), kBatch, -1);
    for (int i = 0; i < n; ++i) {
      const std::uint64_t what = events[static_cast<std::size_t>(i)].data.u64;
      if (o_.engine == Engine::One)
        what == kFront ? one_from_front() : one_from_back(what);
      else
        what == kFront ? batch_from_front() : batch_from_back(what);
    }
  }
}

}  // namespace

bool keep_running() noexcept { return stop == 0; }

Pipes::Pipes(const Options& o) : front(udp_socket(o.listen)), clients(o.flows), peer(o.forward_to) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  for (std::size_t i = 0; i < o.flows; ++i)
    backs.push_back(udp_socket({o.relayed.address, static_cast<std::uint16_t>(o.relayed.port + i)}));
}

std::size_t Pipes::flow_of(ByteView message) const noexcept {
  if (message.size() < kHeaderBytes) return clients.size();
  const auto flow = static_cast<std::size_t>(load_be16(message.data()) - stun::kMinChannel);
  return flow < clients.size() ? flow : clients.size();
}

int run_forward(const Options& options) {
  if (options.engine == Engine::Ring) return run_forward_ring(options);
  static Forwarder forwarder(options);
  forwarder.run();
  return 0;
}

}  // namespace ts::load
