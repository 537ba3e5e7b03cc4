// SPDX-License-Identifier: Apache-2.0
#include "silence_watch.hpp"

#include <algorithm>
#include <utility>

#include <turnstone/net/clock.hpp>

namespace ts::net {

void SilenceWatch::add(Watched& watched, Duration beat) {
  beat_ = beat;
  watched.unlink();
  watched.due_ = now().mono + beat_;
  heard_.push_back(watched);
  arm();
}

void SilenceWatch::heard(Watched& watched) noexcept {
  if (!watched.is_linked()) return;
  watched.unlink();
  watched.due_ = now().mono + beat_;
  heard_.push_back(watched);
}

void SilenceWatch::remove(Watched& watched) noexcept {
  watched.unlink();
  // Else it alone would keep the io_context running.
  if (heard_.empty() && probed_.empty()) timer_.cancel();
}

/// The timer is not moved when somebody is heard; it finds out when it fires.
void SilenceWatch::arm() {
  if (armed_ || (heard_.empty() && probed_.empty())) return;
  TimePoint due = TimePoint::max();
  if (!heard_.empty()) due = std::min(due, heard_.front().due_);
  if (!probed_.empty()) due = std::min(due, probed_.front().due_);
  armed_ = true;
  timer_.expires_after(std::max(due - now().mono, Duration::zero()));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!self) return;
    self->armed_ = false;
    if (error) return self->arm();  // somebody may have come since it was cancelled
    self->look();
  });
}

void SilenceWatch::look() {
  const TimePoint moment = now().mono;
  while (!probed_.empty() && probed_.front().due_ <= moment) {
    Watched& late = probed_.front();
    late.unlink();
    late.give_up();
  }
  while (!heard_.empty() && heard_.front().due_ <= moment) {
    Watched& silent = heard_.front();
    silent.unlink();
    silent.due_ = moment + beat_;
    probed_.push_back(silent);
    silent.probe();
  }
  arm();
}

}  // namespace ts::net
