// SPDX-License-Identifier: Apache-2.0
// Edge-triggered: a socket is looked at again when something comes, which saves the kernel a second look at
// each that had one datagram. So a read that may have left something asks for another event.
#include <array>
#include <cerrno>
#include <ctime>
#include <system_error>

#include <sys/epoll.h>

#include <turnstone/net/listen.hpp>

#include "udp_mover.hpp"

namespace ts::net {
namespace {

class EpollMover final : public UdpMover {
 public:
  EpollMover() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throw std::system_error(errno, std::system_category(), "epoll_create1");
  }

  int descriptor() const noexcept override { return epoll_.get(); }
  void rest() noexcept override {}

  bool watch(int descriptor, std::uint64_t tag) noexcept override {
    return control(EPOLL_CTL_ADD, descriptor, tag);
  }
  void unwatch(int descriptor, std::uint64_t tag) noexcept override {
    control(EPOLL_CTL_DEL, descriptor, tag);
  }
  void settle() noexcept override {}

  void look(DatagramHandler& handler) override {
    std::array<epoll_event, 64> events;
    const int ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    handler.woke();
    for (int i = 0; i < ready; ++i) {
      if (!received_.has_room()) flush(handler);
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      // Errors first: the oldest one would fail the read.
      if ((event.events & EPOLLERR) != 0) handler.failed(event.data.u64);
      read(event.data.u64, handler);
    }
    flush(handler);
  }

  SendBatch::Stats send(SendBatch& batch) noexcept override { return batch.flush(nullptr); }

 private:
  bool control(int operation, int descriptor, std::uint64_t tag) noexcept {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = tag;
    return ::epoll_ctl(epoll_.get(), operation, descriptor, &event) == 0;
  }

  void read(std::uint64_t tag, DatagramHandler& handler) {
    const int descriptor = handler.descriptor_of(tag);
    if (descriptor < 0) return;
    const auto batch = received_.receive(descriptor, (tag & kApart) != 0);
    if (received_.may_have_left_some()) control(EPOLL_CTL_MOD, descriptor, tag);
    handler.received(tag, batch);
  }

  void flush(DatagramHandler& handler) {
    handler.flush();
    received_.recycle();
  }

  Descriptor epoll_;
  ReceiveBatch received_;
};

}  // namespace

std::unique_ptr<UdpMover> make_epoll_mover() { return std::make_unique<EpollMover>(); }

}  // namespace ts::net
