// SPDX-License-Identifier: Apache-2.0
#include "data_connection.hpp"

#include <algorithm>

#include <poll.h>

#include <turnstone/net/clock.hpp>

namespace ts::net {
namespace {

/// Steps of one callback at most, so that one fast connection does not hold up the shard.
constexpr int kMaxSteps = 4;
/// One side has closed, perhaps wholly (TCP does not tell): the other may go on for as long as it moves
/// bytes.
constexpr std::chrono::seconds kHalfClosedIdle{30};

}  // namespace

DataConnection::DataConnection(turn::ConnectionId id, Stream peer, DataConnectionOwner& owner)
    : id_(id), peer_(std::move(peer)), owner_(owner) {
  to_peer_.to_peer = true;
  error_code ignored;
  peer_.socket().set_option(tcp::no_delay(true), ignored);
  peer_.socket().set_option(tcp::socket::keep_alive(true), ignored);
}

void DataConnection::bind(asio::io_context& context, MovedStream client) {
  client_.emplace(context, std::move(client.stream));
  error_code ignored;
  client_->socket().set_option(tcp::socket::keep_alive(true), ignored);
  to_client_.queue = std::move(client.unsent);
  to_peer_.queue = std::move(client.received);
  to_peer_.pace = owner_.relayed(*this, true, to_peer_.queue.size());
  to_client_.pace = owner_.relayed(*this, false, 0);
  later(to_client_);
  later(to_peer_);
}

void DataConnection::later(Flow& flow) {
  asio::post(peer_.get_executor(), [self = shared_from_this(), &flow] { self->pump(flow); });
}

void DataConnection::wait(Flow& flow, Stream& stream, Stream::Status status) {
  stream.socket().async_wait(Stream::wait_type(status),
                             [self = shared_from_this(), &flow](const error_code& error) {
                               if (!error) self->pump(flow);
                             });
}

void DataConnection::pump(Flow& flow) {
  for (int steps = 0; steps < kMaxSteps; ++steps) {
    if (closed_ || flow.over || !step(flow)) return;
    if (other(flow).over) moved_at_ = now().mono;
  }
  // More may wait inside TLS, of which the socket knows nothing: look again, after the others had their turn.
  later(flow);
}

bool DataConnection::step(Flow& flow) {
  if (!flow.queue.empty()) return write_queue(flow);
  if (rests(flow)) return false;
  if (!flow.from_ended) return read_and_write(flow);
  to(flow).shutdown_send();
  finish(flow);
  return false;
}

bool DataConnection::write_queue(Flow& flow) {
  const Stream::Step step = to(flow).write(ByteView(flow.queue).subspan(flow.written));
  if (step.status == Stream::Status::Closed) {
    broken_ = true;
    finish(flow);
    return false;
  }
  if (step.status != Stream::Status::Done) {
    wait(flow, to(flow), step.status);
    return false;
  }
  flow.written += step.bytes;
  if (flow.written == flow.queue.size()) {
    flow.written = 0;
    std::vector<std::uint8_t>().swap(flow.queue);
  }
  return true;
}

bool DataConnection::rests(Flow& flow) {
  if (flow.pace.resume_at == TimePoint::min()) return false;
  const Duration left = flow.pace.resume_at - now().mono;
  if (left <= Duration::zero()) return false;
  if (!flow.timer) flow.timer.emplace(peer_.get_executor());
  flow.timer->expires_after(left);
  flow.timer->async_wait([self = shared_from_this(), &flow](const error_code& error) {
    if (!error) self->pump(flow);
  });
  return true;
}

bool DataConnection::rests_for_nothing(Flow& flow, TimePoint now) noexcept {
  if (flow.over || now >= flow.pace.resume_at) return false;
  pollfd broken{from(flow).socket().native_handle(), 0, 0};
  return ::poll(&broken, 1, 0) == 1 && (broken.revents & POLLERR) != 0;
}

bool DataConnection::read_and_write(Flow& flow) {
  const MutableBytes all = owner_.read_buffer();
  const MutableBytes buffer = all.first(std::min(all.size(), flow.pace.read_bytes));
  const Stream::Step read = from(flow).read(buffer);
  if (read.status == Stream::Status::Closed) {
    flow.from_ended = true;
    if (read.orderly) return true;
    // What came before the break has been passed on; the break is passed on too.
    broken_ = true;
    end();
    return false;
  }
  if (read.status != Stream::Status::Done) {
    wait(flow, from(flow), read.status);
    return false;
  }
  flow.pace = owner_.relayed(*this, flow.to_peer, read.bytes);
  const ByteView bytes = buffer.first(read.bytes);
  const Stream::Step written = to(flow).write(bytes);
  if (written.status == Stream::Status::Closed) {
    broken_ = true;
    finish(flow);
    return false;
  }
  const std::size_t done = written.status == Stream::Status::Done ? written.bytes : 0;
  flow.queue.assign(bytes.begin() + static_cast<std::ptrdiff_t>(done), bytes.end());
  return true;
}

void DataConnection::finish(Flow& flow) {
  // After a failed write the other direction still delivers what had come before the connection broke.
  flow.over = true;
  flow.written = 0;
  std::vector<std::uint8_t>().swap(flow.queue);
  moved_at_ = now().mono;
  if (other(flow).over) end();
}

void DataConnection::close_if_late(TimePoint now) {
  if (closed_ || !client_) return;
  if (rests_for_nothing(to_peer_, now) || rests_for_nothing(to_client_, now)) {
    broken_ = true;
    return end();
  }
  const TimePoint busy_until = std::max({moved_at_, to_peer_.pace.resume_at, to_client_.pace.resume_at});
  if (to_peer_.over != to_client_.over && now - busy_until > kHalfClosedIdle) end();
}

void DataConnection::end() {
  if (closed_) return;
  const auto self = shared_from_this();
  if (broken_) {
    closed_ = true;
    peer_.reset();
    if (client_) client_->reset();
  }
  close();
  owner_.ended(*this);
}

void DataConnection::close() noexcept {
  closed_ = true;
  for (Flow* flow : {&to_peer_, &to_client_}) {
    if (flow->timer) flow->timer->cancel();
  }
  peer_.close();
  if (client_) client_->close();
}

}  // namespace ts::net
