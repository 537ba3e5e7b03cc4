// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include <turnstone/net/udp_choice.hpp>

#include "udp_mover.hpp"

namespace ts::net {

std::string_view name_of(UdpEngineKind kind) noexcept {
  switch (kind) {
    case UdpEngineKind::Auto: return "auto";
    case UdpEngineKind::Epoll: return "epoll";
    case UdpEngineKind::IoUring: break;
  }
  return "io_uring";
}

UdpEngineKind choose_udp_engine(UdpEngineKind wanted, std::string& why) {
  why.clear();
  if (wanted == UdpEngineKind::Epoll) return wanted;
  bool works = false;
  // By a thread that ends: when a ring goes, the kernel interrupts the one that made it.
  std::thread([&] { works = make_ring_mover(why) != nullptr; }).join();
  return works ? UdpEngineKind::IoUring : UdpEngineKind::Epoll;
}

}  // namespace ts::net
