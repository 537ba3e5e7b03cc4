// SPDX-License-Identifier: Apache-2.0
// The forwarder on io_uring: one multishot receive for each socket into shared buffers, and the sends of a
// batch of completions in one system call, whatever sockets they leave from.
#include <array>
#include <cerrno>
#include <cstdio>

#include <liburing.h>
#include <netinet/in.h>

#include <turnstone/stun/channel_data.hpp>

#include "forward.hpp"
#include "load.hpp"

namespace ts::load {
namespace {

constexpr unsigned kEntries = 1024;
constexpr std::size_t kBuffers = 1024;  // a power of two
constexpr std::size_t kBufferBytes = 2176;
constexpr int kGroup = 1;
constexpr std::uint64_t kSent = std::uint64_t{1} << 32;
constexpr std::uint64_t kFront = kSent - 1;

class Ring {
 public:
  explicit Ring(const Options& options) : pipes_(options), bytes_(kBuffers * kBufferBytes) {}
  void run();

 private:
  void open();
  io_uring_sqe* entry();
  void listen(std::uint64_t what);
  void completed(const io_uring_cqe& cqe);
  void arrived(std::uint64_t what, std::size_t buffer, int size);
  void send(const Fd& socket, std::size_t buffer, std::uint8_t* at, std::size_t size, SocketAddress& to);
  void give_back(std::size_t buffer);
  std::uint8_t* at(std::size_t buffer) { return bytes_.data() + buffer * kBufferBytes; }

  Pipes pipes_;
  io_uring ring_{};
  io_uring_buf_ring* free_ = nullptr;
  std::vector<std::uint8_t> bytes_;
  msghdr shape_{};
};

void Ring::open() {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
  parameters.cq_entries = 4 * kEntries;
  int result = io_uring_queue_init_params(kEntries, &ring_, &parameters);
  if (result == -EINVAL) {
    parameters = {};
    result = io_uring_queue_init_params(kEntries, &ring_, &parameters);
  }
  errno = -result;
  if (result < 0) die("io_uring");
  void* memory = nullptr;
  if (posix_memalign(&memory, 4096, kBuffers * sizeof(io_uring_buf)) != 0) die("memory");
  free_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_ring_init(free_);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
  registration.ring_entries = kBuffers;
  registration.bgid = kGroup;
  result = io_uring_register_buf_ring(&ring_, &registration, 0);
  errno = -result;
  if (result < 0) die("io_uring: no buffer ring");
  for (std::size_t i = 0; i < kBuffers; ++i) give_back(i);
  shape_.msg_namelen = sizeof(sockaddr_in6);
}

void Ring::give_back(std::size_t buffer) {
  io_uring_buf_ring_add(free_, at(buffer), kBufferBytes, static_cast<unsigned short>(buffer),
                        io_uring_buf_ring_mask(kBuffers), 0);
  io_uring_buf_ring_advance(free_, 1);
}

io_uring_sqe* Ring::entry() {
  for (;;) {
    if (io_uring_sqe* sqe = io_uring_get_sqe(&ring_)) return sqe;
    io_uring_submit(&ring_);
  }
}

void Ring::listen(std::uint64_t what) {
  io_uring_sqe* sqe = entry();
  const Fd& socket = what == kFront ? pipes_.front : pipes_.backs[what];
  io_uring_prep_recvmsg_multishot(sqe, socket.get(), &shape_, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = kGroup;
  sqe->user_data = what;
}

void Ring::send(const Fd& socket, std::size_t buffer, std::uint8_t* data, std::size_t size,
                SocketAddress& to) {
  io_uring_sqe* sqe = entry();
  io_uring_prep_send(sqe, socket.get(), data, size, MSG_DONTWAIT);
  io_uring_prep_send_set_addr(sqe, to.get(), static_cast<unsigned short>(to.size));
  sqe->user_data = kSent | buffer;
}

/// The buffer holds what the kernel says about the message, its source, and the message.
void Ring::arrived(std::uint64_t what, std::size_t buffer, int size) {
  io_uring_recvmsg_out* out = io_uring_recvmsg_validate(at(buffer), size, &shape_);
  if (out == nullptr) return give_back(buffer);
  auto* data = static_cast<std::uint8_t*>(io_uring_recvmsg_payload(out, &shape_));
  const std::size_t length = io_uring_recvmsg_payload_length(out, size, &shape_);
  if (what != kFront) {
    // The end of the source's place, which is not looked at, becomes the header.
    stun::write_channel_data_header(data - kHeaderBytes, static_cast<std::uint16_t>(stun::kMinChannel + what),
                                    length);
    return send(pipes_.front, buffer, data - kHeaderBytes, length + kHeaderBytes, pipes_.clients[what]);
  }
  const std::size_t flow = pipes_.flow_of({data, length});
  if (flow == pipes_.clients.size()) return give_back(buffer);
  SocketAddress& client = pipes_.clients[flow];
  client.size = out->namelen;
  std::memcpy(&client.storage, io_uring_recvmsg_name(out), out->namelen);
  send(pipes_.backs[flow], buffer, data + kHeaderBytes, length - kHeaderBytes, pipes_.peer);
}

void Ring::completed(const io_uring_cqe& cqe) {
  if (cqe.user_data >= kSent) return give_back(cqe.user_data - kSent);
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0)
    arrived(cqe.user_data, cqe.flags >> IORING_CQE_BUFFER_SHIFT, cqe.res);
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) listen(cqe.user_data);
}

void Ring::run() {
  open();
  listen(kFront);
  for (std::size_t i = 0; i < pipes_.backs.size(); ++i) listen(i);
  std::printf("ready\n");
  std::fflush(stdout);
  while (keep_running()) {
    if (io_uring_submit_and_wait(&ring_, 1) < 0 && keep_running() && errno != EINTR) continue;
    io_uring_cqe* cqe = nullptr;
    unsigned head = 0, seen = 0;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      completed(*cqe);
      ++seen;
    }
    io_uring_cq_advance(&ring_, seen);
  }
  io_uring_queue_exit(&ring_);
  free(free_);
}

}  // namespace

int run_forward_ring(const Options& options) {
  Ring(options).run();
  return 0;
}

}  // namespace ts::load
