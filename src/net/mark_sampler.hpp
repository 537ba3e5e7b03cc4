// SPDX-License-Identifier: Apache-2.0
// Whether a socket is asked for the DSCP and ECN of each datagram (RFC 8656 §14). Asking costs a seventh of a
// receive, so a busy socket is asked at the start of each second only, or throughout while marked datagrams
// come: a flow is marked throughout or not at all. One thread.
#pragma once

#include <span>

#include <turnstone/base/time.hpp>

#include "udp_batch.hpp"

namespace ts::net {

class MarkSampler {
 public:
  /// What a receive gave. The socket has been asked with enable_traffic_class() when it was made.
  void received(int descriptor, IpFamily family, std::span<const Datagram> batch, TimePoint now) noexcept {
    if (asking_ && !marked_) look(descriptor, family, batch);
    if (now - since_ < kWindow) return;
    since_ = now;
    seen_ = 0;
    was_marked_ = marked_;
    marked_ = false;
    if (!asking_) asking_ = enable_traffic_class(descriptor, family, true);
  }

  static constexpr std::chrono::seconds kWindow{1};
  /// Unmarked datagrams in a window after which no more is asked.
  static constexpr std::size_t kSample = 32;

 private:
  void look(int descriptor, IpFamily family, std::span<const Datagram> batch) noexcept {
    for (const Datagram& datagram : batch) {
      marked_ = marked_ || datagram.tos != 0;
      seen_ += datagram.tos_told ? 1 : 0;  // others came before the kernel was asked
    }
    if (!marked_ && !was_marked_ && seen_ >= kSample)
      asking_ = !enable_traffic_class(descriptor, family, false);
  }

  TimePoint since_{};
  std::size_t seen_ = 0;
  bool asking_ = true;
  bool marked_ = false;
  bool was_marked_ = false;  // in the window before
};

}  // namespace ts::net
