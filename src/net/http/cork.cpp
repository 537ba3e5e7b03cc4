// SPDX-License-Identifier: Apache-2.0
#include "cork.hpp"

#include <array>

#include <boost/asio/redirect_error.hpp>
#include <sys/socket.h>

namespace ts::net {

asio::awaitable<void> discard(Stream& stream) {
  constexpr std::size_t kMaxBytes = 1U << 20;
  std::array<std::uint8_t, 2048> scratch;
  for (std::size_t total = 0; total < kMaxBytes;) {
    // Past TLS: nobody looks at it.
    const ssize_t count = ::recv(stream.socket().native_handle(), scratch.data(), scratch.size(), 0);
    if (count > 0) {
      total += static_cast<std::size_t>(count);
      continue;
    }
    if (count == 0 || (errno != EAGAIN && errno != EINTR)) co_return;
    const auto [error] = co_await stream.socket().async_wait(tcp::socket::wait_read, kTuple);
    if (error) co_return;
  }
}

bool Cork::append(std::string_view bytes) {
  if (!stream_.socket().is_open() || waiting_bytes() + bytes.size() > limit_bytes_) return false;
  if (out_.empty()) out_ = server_->take_buffer();
  out_.append(bytes);
  if (!std::exchange(planned_, true)) server_->flush_soon(shared_from_this());
  return true;
}

bool Cork::append_frame(WsOpcode opcode, std::string_view payload) {
  std::string head;  // short enough to need no memory
  append_ws_head(head, opcode, payload.size());
  if (waiting_bytes() + head.size() + payload.size() > limit_bytes_) return false;
  return append(head) && append(payload);
}

void Cork::flush() {
  planned_ = false;
  if (waiting_) return;
  while (sent_ < out_.size()) {
    const Stream::Step step = stream_.write(as_bytes(out_).subspan(sent_));
    if (step.status == Stream::Status::Closed) return close();
    if (step.status == Stream::Status::Done) {
      sent_ += step.bytes;
      continue;
    }
    if (sent_ > out_.size() / 2) out_.erase(0, std::exchange(sent_, 0));
    waiting_ = true;
    stream_.socket().async_wait(Stream::wait_type(step.status),
                                [self = shared_from_this()](error_code error) {
                                  self->waiting_ = false;
                                  if (error) return self->close();
                                  self->flush();
                                  if (self->waiting_bytes() == 0) self->stop_timer();
                                });
    return;
  }
  empty();
}

void Cork::empty() noexcept {
  server_->give_buffer(std::move(out_));
  out_ = std::string();
  sent_ = 0;
}

void Cork::stop_timer() noexcept {
  if (timer_) timer_->cancel();
}

void Cork::close() noexcept {
  empty();
  stream_.close();
  stop_timer();
}

asio::awaitable<void> Cork::finish() {
  const auto self = shared_from_this();
  flush();
  timer_ = std::make_unique<asio::steady_timer>(stream_.get_executor(), server_->options.close_timeout);
  // Cancelled by the flush's end, and by close().
  if (waiting_bytes() != 0) co_await timer_->async_wait(kTuple);
  if (waiting_bytes() == 0 && stream_.socket().is_open()) {
    stream_.shutdown_send();
    timer_->expires_after(server_->options.close_timeout);
    auto cut = [weak = weak_from_this()](error_code error) {
      if (const auto cork = weak.lock(); cork && !error) cork->close();
    };
    timer_->async_wait(std::move(cut));
    co_await discard(stream_);
  }
  close();
}

}  // namespace ts::net
