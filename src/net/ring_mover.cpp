// SPDX-License-Identifier: Apache-2.0
// io_uring: each socket has one standing request (multishot recvmsg), which takes buffers from a ring that
// all share; what is sent, over whatever sockets, goes to the kernel in one call. Completions run when the
// thread asks for them (DEFER_TASKRUN), so a datagram costs no wake-up while it works.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <turnstone/net/listen.hpp>

#include "coalescer.hpp"
#include "udp_mover.hpp"

namespace ts::net {
namespace {

/// The memory that buffers are in: pages are touched only as far as datagrams reach.
class Pages {
 public:
  explicit Pages(std::size_t size) noexcept
      : size_(size),
        start_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                      0)) {}
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() {
    if (start_ != MAP_FAILED) ::munmap(start_, size_);
  }
  std::uint8_t* get() const noexcept {
    return start_ != MAP_FAILED ? static_cast<std::uint8_t*>(start_) : nullptr;
  }

 private:
  std::size_t size_;
  void* start_;
};

constexpr unsigned kRequests = 256;
constexpr unsigned kCompletions = 4096;
constexpr unsigned kBuffers = 256;  // a power of two; how many datagrams, or trains, are held at most
constexpr int kBufferGroup = 0;
/// Attempts at what the kernel puts off.
constexpr int kMostAttempts = 64;

constexpr std::size_t kNameBytes = 32;  // sockaddr_in6, and what aligns the control data
/// The kernel's head, the sender's address and the control data are in front of the payload: the core may
/// write there once they are read.
constexpr std::size_t kHeadBytes = sizeof(io_uring_recvmsg_out) + kNameBytes + kControlBytes;
static_assert(kHeadBytes >= ReceiveBatch::kHeadroomBytes && kHeadBytes % alignof(cmsghdr) == 0);
// An odd count of cache lines, so that the buffers' first lines do not fall into the same cache sets.
constexpr std::size_t kStride =
    (kHeadBytes + ReceiveBatch::kTrainRoomBytes + ReceiveBatch::kTailroomBytes) / 128 * 128 + 192;

/// Requests whose completions are ours, and no socket's: a datagram by its place, and the end of a request.
constexpr std::uint64_t kCancel = UdpMover::kOwn | std::uint64_t{1} << 32;

class RingMover final : public UdpMover, private Transmitter {
 public:
  RingMover() : memory_(kBuffers * kStride), shared_(kBuffers * sizeof(io_uring_buf)) {}
  ~RingMover() override {
    if (open_) io_uring_queue_exit(&ring_);
  }

  /// 0, or an errno.
  int open() noexcept {
    if (memory_.get() == nullptr || shared_.get() == nullptr) return ENOMEM;
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                   IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    params.cq_entries = kCompletions;
    if (const int error = io_uring_queue_init_params(kRequests, &ring_, &params); error < 0) return -error;
    open_ = true;
    // What is left to a program that this one may become.
    ::fcntl(ring_.ring_fd, F_SETFD, FD_CLOEXEC);
    bell_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!bell_) return errno;
    if (const int error = io_uring_register_eventfd(&ring_, bell_.get()); error < 0) return -error;
    io_uring_cq_eventfd_toggle(&ring_, false);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(shared_.get());
    registration.ring_entries = kBuffers;
    registration.bgid = kBufferGroup;
    if (const int error = io_uring_register_buf_ring(&ring_, &registration, 0); error < 0) return -error;
    io_uring_buf_ring_init(buffers());
    for (std::uint16_t id = 0; id < kBuffers; ++id) held_.push_back(id);
    give_back();
    wanted_.msg_namelen = kNameBytes;
    wanted_.msg_controllen = kControlBytes;
    io_uring_register_ring_fd(&ring_);  // a little faster, where the kernel has it
    return 0;
  }

  int descriptor() const noexcept override { return bell_.get(); }

  void rest() noexcept override {
    resting_ = true;
    io_uring_cq_eventfd_toggle(&ring_, true);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    // The bell rings for the first of the completions to run, which may have come before it was heard: those
    // are run now. That some wait cannot be told otherwise: the kernel's flag may be late, and stale.
    io_uring_get_events(&ring_);
    if (io_uring_cq_ready(&ring_) != 0 || io_uring_sq_ready(&ring_) != 0 || !ended_.empty())
      ::eventfd_write(bell_.get(), 1);
  }

  bool watch(int descriptor, std::uint64_t tag) noexcept override {
    io_uring_sqe* request = next_request();
    if (request == nullptr) return false;
    io_uring_prep_recvmsg_multishot(request, descriptor, &wanted_, 0);
    request->flags |= IOSQE_BUFFER_SELECT;
    request->buf_group = kBufferGroup;
    request->user_data = tag;
    if (resting_) io_uring_submit(&ring_);  // else the look that is under way will
    return true;
  }

  void unwatch(int, std::uint64_t tag) noexcept override {
    io_uring_sqe* request = next_request();
    if (request == nullptr) return unwatch_later_.push_back(tag);
    io_uring_prep_cancel64(request, tag, 0);
    request->flags |= IOSQE_CQE_SKIP_SUCCESS;
    request->user_data = kCancel;
    unsettled_ = true;
  }

  void settle() noexcept override {
    for (const std::uint64_t tag : std::exchange(unwatch_later_, {})) unwatch(-1, tag);
    // The requests hold their sockets until their ends have run, of which the kernel runs some at a time;
    // each is a completion.
    for (unsigned ready = 0; unsettled_;) {
      io_uring_submit_and_get_events(&ring_);
      const unsigned now_ready = io_uring_cq_ready(&ring_);
      unsettled_ = (*ring_.sq.kflags & IORING_SQ_TASKRUN) != 0 && now_ready > ready;
      ready = now_ready;
    }
  }

  void look(DatagramHandler& handler) override;
  SendBatch::Stats send(SendBatch& batch) noexcept override { return batch.flush(this); }

 private:
  io_uring_buf_ring* buffers() const noexcept { return reinterpret_cast<io_uring_buf_ring*>(shared_.get()); }
  std::uint8_t* buffer(std::uint16_t id) const noexcept { return memory_.get() + id * kStride; }

  /// Null: the kernel takes no more.
  io_uring_sqe* next_request() noexcept {
    io_uring_sqe* request = io_uring_get_sqe(&ring_);
    if (request != nullptr) return request;
    io_uring_submit(&ring_);
    return io_uring_get_sqe(&ring_);
  }

  void take(const io_uring_cqe& completion, DatagramHandler& handler);
  void read(std::uint16_t id, std::size_t length, bool apart);
  void hand_over(DatagramHandler& handler);
  void flush(DatagramHandler& handler);
  void give_back() noexcept;
  void transmit(std::span<const Prepared> messages, std::vector<Refused>& refused) noexcept override;
  bool can_send_to(const msghdr& header) const noexcept;
  void prepare(io_uring_sqe& request, const Prepared& message) const noexcept;
  void learn_send_to(std::span<const Prepared> messages, std::span<const Refused> refused) noexcept;
  void withdraw(std::vector<Refused>& refused) noexcept;

  Pages memory_;
  Pages shared_;
  io_uring ring_{};
  bool open_ = false;
  bool unsettled_ = false;
  bool resting_ = false;
  /// Sending to an address without sendmsg(), which Linux has from 6.2 on: until it is known.
  bool has_send_to_ = true;
  bool knows_send_to_ = false;
  /// A polled ring tells of completions that have run; this, of such as are to run.
  Descriptor bell_;
  msghdr wanted_{};
  std::vector<std::uint16_t> held_;
  std::size_t held_bytes_ = 0;
  /// What one socket received.
  std::vector<Datagram> batch_;
  std::uint64_t batch_tag_ = 0;
  /// Sockets whose standing request has ended, for want of buffers or with an error.
  std::vector<std::uint64_t> ended_;
  std::vector<std::uint64_t> unwatch_later_;
};

void RingMover::look(DatagramHandler& handler) {
  if (resting_) {
    resting_ = false;
    io_uring_cq_eventfd_toggle(&ring_, false);
    eventfd_t rung = 0;
    ::eventfd_read(bell_.get(), &rung);
  }
  io_uring_submit_and_get_events(&ring_);
  handler.woke();
  // What comes while these are handed over is for the next look.
  for (unsigned left = io_uring_cq_ready(&ring_); left > 0; --left) {
    io_uring_cqe* completion = nullptr;
    if (io_uring_peek_cqe(&ring_, &completion) != 0) break;
    const io_uring_cqe copy = *completion;
    io_uring_cqe_seen(&ring_, completion);
    take(copy, handler);
  }
  hand_over(handler);
  flush(handler);
}

void RingMover::take(const io_uring_cqe& completion, DatagramHandler& handler) {
  const std::uint64_t tag = completion.user_data;
  if ((tag & kOwnMask) == kOwn) return;
  if (tag != batch_tag_) hand_over(handler);
  batch_tag_ = tag;
  if ((completion.flags & IORING_CQE_F_BUFFER) != 0) {
    const auto id = static_cast<std::uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT);
    held_.push_back(id);
    if (completion.res > 0) read(id, static_cast<std::size_t>(completion.res), (tag & kApart) != 0);
  }
  if ((completion.flags & IORING_CQE_F_MORE) != 0) return;
  hand_over(handler);
  if (completion.res < 0 && completion.res != -ENOBUFS && completion.res != -ECANCELED) handler.failed(tag);
  ended_.push_back(tag);
}

void RingMover::read(std::uint16_t id, std::size_t length, bool apart) {
  std::uint8_t* const start = buffer(id);
  io_uring_recvmsg_out out;
  std::memcpy(&out, start, sizeof out);
  if (length < kHeadBytes) return;
  msghdr header{};
  header.msg_name = start + sizeof out;
  header.msg_control = start + sizeof out + kNameBytes;
  header.msg_controllen = std::min<std::size_t>(out.controllen, kControlBytes);
  held_bytes_ += length - kHeadBytes;
  append_received(header, {start + kHeadBytes, length - kHeadBytes}, apart, batch_);
}

void RingMover::hand_over(DatagramHandler& handler) {
  if (batch_.empty()) return;
  handler.received(batch_tag_, batch_);
  batch_.clear();
  if (held_bytes_ >= ReceiveBatch::kMostBytes) flush(handler);
}

void RingMover::flush(DatagramHandler& handler) {
  handler.flush();
  give_back();
  // The first that ended may be the one that took all buffers, and would again: others come first.
  std::reverse(ended_.begin(), ended_.end());
  std::erase_if(ended_, [&](std::uint64_t tag) {
    const int descriptor = handler.descriptor_of(tag);
    return descriptor < 0 || watch(descriptor, tag);
  });
  if (io_uring_sq_ready(&ring_) != 0) io_uring_submit(&ring_);
}

void RingMover::give_back() noexcept {
  int count = 0;
  for (const std::uint16_t id : held_) {
    io_uring_buf_ring_add(buffers(), buffer(id), kHeadBytes + ReceiveBatch::kPayloadBytes, id,
                          io_uring_buf_ring_mask(kBuffers), count++);
  }
  io_uring_buf_ring_advance(buffers(), count);
  held_.clear();
  held_bytes_ = 0;
}

bool RingMover::can_send_to(const msghdr& header) const noexcept {
  return has_send_to_ && header.msg_iovlen == 1 && header.msg_controllen == 0;
}

void RingMover::prepare(io_uring_sqe& request, const Prepared& message) const noexcept {
  constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
  const msghdr& header = *message.header;
  if (!can_send_to(header)) return io_uring_prep_sendmsg(&request, message.descriptor, &header, kFlags);
  // The kernel need not fetch the message's parts.
  io_uring_prep_send(&request, message.descriptor, header.msg_iov->iov_base, header.msg_iov->iov_len, kFlags);
  io_uring_prep_send_set_addr(&request, static_cast<const sockaddr*>(header.msg_name),
                              static_cast<std::uint16_t>(header.msg_namelen));
}

void RingMover::transmit(std::span<const Prepared> messages, std::vector<Refused>& refused) noexcept {
  unsigned seen = io_uring_smp_load_acquire(ring_.cq.ktail);
  for (std::uint32_t i = 0; i < messages.size(); ++i) {
    io_uring_sqe* request = next_request();
    if (request == nullptr) {
      refused.push_back({i, EAGAIN});
      continue;
    }
    prepare(*request, messages[i]);
    request->flags |= IOSQE_CQE_SKIP_SUCCESS;
    request->user_data = kOwn | i;
  }
  for (int i = 0; io_uring_sq_ready(&ring_) != 0; ++i) {
    if (i == kMostAttempts) {
      withdraw(refused);
      break;
    }
    io_uring_submit(&ring_);
  }
  // The kernel is done with them when it has taken them; only those that failed complete.
  for (const unsigned end = io_uring_smp_load_acquire(ring_.cq.ktail); seen != end; ++seen) {
    const io_uring_cqe& completion = ring_.cq.cqes[seen & *ring_.cq.kring_mask];
    const std::uint64_t place = completion.user_data & ~kOwn;
    if ((completion.user_data & kOwnMask) == kOwn && place < messages.size() && completion.res < 0)
      refused.push_back({static_cast<std::uint32_t>(place), -completion.res});
  }
  if (!knows_send_to_) learn_send_to(messages, refused);
}

/// From the first that went this way, or did not.
void RingMover::learn_send_to(std::span<const Prepared> messages, std::span<const Refused> refused) noexcept {
  for (std::uint32_t i = 0; i < messages.size() && !knows_send_to_; ++i) {
    if (!can_send_to(*messages[i].header)) continue;
    const auto found =
        std::find_if(refused.begin(), refused.end(), [i](const Refused& r) { return r.place == i; });
    const int error = found != refused.end() ? found->error : 0;
    if (error != 0 && error != EINVAL && error != EDESTADDRREQ) continue;
    knows_send_to_ = true;
    has_send_to_ = error == 0;
  }
}

/// The kernel takes no requests: what is not sent yet must not be later, when its bytes are others.
void RingMover::withdraw(std::vector<Refused>& refused) noexcept {
  for (unsigned i = *ring_.sq.khead; i != ring_.sq.sqe_tail; ++i) {
    io_uring_sqe& request = ring_.sq.sqes[i & *ring_.sq.kring_mask];
    if ((request.user_data & kOwnMask) != kOwn || request.user_data == kCancel) continue;
    refused.push_back({static_cast<std::uint32_t>(request.user_data & ~kOwn), EAGAIN});
    io_uring_prep_nop(&request);
    request.user_data = kCancel;
  }
}

}  // namespace

std::unique_ptr<UdpMover> make_ring_mover(std::string& why) {
  auto mover = std::make_unique<RingMover>();
  const int error = mover->open();
  if (error == 0) return mover;
  why = std::system_category().message(error);
  return nullptr;
}

}  // namespace ts::net
