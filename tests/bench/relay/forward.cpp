// SPDX-License-Identifier: Apache-2.0
// What the kernel alone costs: a forwarder without any check, one datagram or a batch for each system call.
#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <poll.h>

#include <turnstone/stun/channel_data.hpp>

#include "load.hpp"

namespace ts::load {

namespace {

constexpr std::size_t kMaxBatch = 64;
constexpr std::size_t kBytes = 2048;
volatile std::sig_atomic_t stop = 0;

void on_signal(int) { stop = 1; }

/// Four bytes less towards the peer, four more towards the client.
struct Pipe {
  std::array<mmsghdr, kMaxBatch> messages{};
  std::array<iovec, kMaxBatch> parts{};
  std::array<std::array<std::uint8_t, kBytes>, kMaxBatch> bytes{};
  SocketAddress source;

  /// Receives up to `batch` datagrams at offset 4 of each buffer.
  std::size_t receive(const Fd& socket, std::size_t batch) noexcept {
    if (batch == 1) {
      source.size = sizeof(sockaddr_storage);
      const ssize_t n =
          recvfrom(socket.get(), bytes[0].data() + 4, kBytes - 4, MSG_DONTWAIT, source.get(), &source.size);
      messages[0].msg_len = n > 0 ? static_cast<unsigned>(n) : 0;
      return n > 0 ? 1 : 0;
    }
    for (std::size_t i = 0; i < batch; ++i) {
      parts[i] = {bytes[i].data() + 4, kBytes - 4};
      messages[i].msg_hdr = {};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    source.size = sizeof(sockaddr_storage);
    messages[0].msg_hdr.msg_name = source.get();
    messages[0].msg_hdr.msg_namelen = source.size;
    const int n =
        recvmmsg(socket.get(), messages.data(), static_cast<unsigned>(batch), MSG_DONTWAIT, nullptr);
    if (n > 0) source.size = messages[0].msg_hdr.msg_namelen;
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }

  void send(const Fd& socket, std::size_t count, SocketAddress& to, bool strip) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t size = messages[i].msg_len;
      if (strip) {
        parts[i] = {bytes[i].data() + 8, size >= 4 ? size - 4 : 0};
      } else {
        stun::write_channel_data_header(bytes[i].data(), stun::kMinChannel, size);
        parts[i] = {bytes[i].data(), size + 4};
      }
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_name = to.get();
      messages[i].msg_hdr.msg_namelen = to.size;
    }
    if (count == 1) {
      sendto(socket.get(), parts[0].iov_base, parts[0].iov_len, MSG_DONTWAIT, to.get(), to.size);
    } else {
      sendmmsg(socket.get(), messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
    }
  }
};

}  // namespace

int run_forward(const Options& o) {
  std::signal(SIGTERM, on_signal);
  std::signal(SIGINT, on_signal);
  const Fd front = udp_socket(o.listen);
  const Fd back = udp_socket({o.listen.address, 0});
  SocketAddress peer(o.forward_to);
  SocketAddress client;
  static Pipe pipe;
  const Endpoint relayed = local_endpoint(back);
  std::printf("%s\n", relayed.to_string().c_str());
  std::fflush(stdout);
  std::array<pollfd, 2> wait{pollfd{front.get(), POLLIN, 0}, pollfd{back.get(), POLLIN, 0}};
  const std::size_t batch = o.batch < 1 ? 1 : o.batch > kMaxBatch ? kMaxBatch : o.batch;
  while (stop == 0) {
    std::size_t moved = 0;
    if (const std::size_t n = pipe.receive(front, batch)) {
      client = pipe.source;
      pipe.send(back, n, peer, true);
      moved += n;
    }
    if (const std::size_t n = pipe.receive(back, batch)) {
      pipe.send(front, n, client, false);
      moved += n;
    }
    if (moved == 0) poll(wait.data(), wait.size(), 200);
  }
  return 0;
}

}  // namespace ts::load
