// SPDX-License-Identifier: Apache-2.0
#include "tunnel.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "../http/server_impl.hpp"

namespace ts::net {
namespace {

class Tunnel final : public Connection, public std::enable_shared_from_this<Tunnel> {
 public:
  Tunnel(std::shared_ptr<HttpServer::Impl> server, Stream client, ForwardCallPtr call)
      : server_(std::move(server)),
        client_(std::move(client)),
        call_(std::move(call)),
        tls_(client_.is_tls()),
        timer_(server_->context) {
    server_->add(*this, tls_);
    --server_->counters.streams_accepted[tls_ ? 1 : 0];  // the HTTP connection was counted
    welcome = true;
  }
  ~Tunnel() override { server_->remove(*this, tls_); }

  void start(std::string first) {
    spawn(call_->stream(), client_, std::move(first));
    spawn(client_, call_->stream(), {});
  }
  void cut() noexcept override {
    timer_.cancel();
    client_.close();
    call_->cancel();
  }
  /// The client comes back, to another node; its session is where it was.
  void retire() noexcept override { cut(); }

 private:
  void spawn(Stream& from, Stream& to, std::string first);
  asio::awaitable<void> pump(Stream& from, Stream& to, std::string bytes);
  asio::awaitable<bool> write(Stream& to, const std::string& bytes);
  void half_ended(Stream& to, bool orderly) noexcept;

  std::shared_ptr<HttpServer::Impl> server_;
  Stream client_;
  ForwardCallPtr call_;
  const bool tls_;
  bool half_ended_ = false;
  asio::steady_timer timer_;
};

void Tunnel::spawn(Stream& from, Stream& to, std::string first) {
  auto run = [self = shared_from_this(), &from, &to, bytes = std::move(first)]() mutable {
    return self->pump(from, to, std::move(bytes));
  };
  asio::co_spawn(server_->context, std::move(run), asio::detached);
}

/// While nothing comes it has no buffer: what comes is read into one of the server's.
asio::awaitable<void> Tunnel::pump(Stream& from, Stream& to, std::string bytes) {
  const auto self = shared_from_this();
  bool orderly = false;
  for (;;) {
    if (!bytes.empty()) {
      if (!co_await write(to, bytes)) break;
      bytes = std::string();
    }
    const MutableBytes room = server_->scratch();
    const Stream::Step step = from.read(room);
    if (step.status == Stream::Status::Done) {
      bytes.assign(as_text(room.first(step.bytes)));
      // Others have their turn: a stream that is always readable would keep this coroutine running.
      co_await asio::post(server_->context, asio::use_awaitable);
      continue;
    }
    orderly = step.orderly;
    if (step.status == Stream::Status::Closed) break;
    const auto wanted = Stream::wait_type(step.status);
    const auto [error] = co_await from.socket().async_wait(wanted, kTuple);
    if (error) break;
  }
  half_ended(to, orderly);
}

/// False: it is closed, or takes nothing for too long.
asio::awaitable<bool> Tunnel::write(Stream& to, const std::string& bytes) {
  asio::steady_timer patience(server_->context);
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const Stream::Step step = to.write(as_bytes(bytes).subspan(sent));
    if (step.status == Stream::Status::Closed) co_return false;
    if (step.status == Stream::Status::Done) {
      sent += step.bytes;
      continue;
    }
    patience.expires_after(server_->options.write_timeout);
    patience.async_wait([weak = weak_from_this()](const error_code& late) {
      const auto self = weak.lock();
      if (self && !late) self->cut();
    });
    const auto wanted = Stream::wait_type(step.status);
    const auto [error] = co_await to.socket().async_wait(wanted, kTuple);
    patience.cancel();
    if (error) co_return false;
  }
  co_return true;
}

/// One side has said that nothing more comes of it: the other one may answer that, for a while.
void Tunnel::half_ended(Stream& to, bool orderly) noexcept {
  if (!orderly || std::exchange(half_ended_, true)) return cut();
  to.shutdown_send();
  timer_.expires_after(server_->options.close_timeout);
  timer_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (self && !error) self->cut();
  });
}

}  // namespace

void start_tunnel(const std::shared_ptr<HttpServer::Impl>& server, Stream client, ForwardCallPtr call,
                  std::string first) {
  const auto tunnel = std::make_shared<Tunnel>(server, std::move(client), std::move(call));
  tunnel->start(std::move(first));
}

}  // namespace ts::net
