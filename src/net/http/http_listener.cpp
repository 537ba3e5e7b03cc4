// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>

#include <turnstone/net/http_listener.hpp>

namespace ts::net {

class HttpListener::Impl : public std::enable_shared_from_this<HttpListener::Impl> {
 public:
  Impl(asio::io_context& context, Serve serve)
      : acceptor_(context), rest_(context), serve_(std::move(serve)) {}

  /// The reason why not; empty: bound.
  std::string bind(const Endpoint& wanted) {
    const bool v4 = wanted.address.is_v4();
    const tcp::endpoint at(asio::ip::make_address(wanted.address.to_string()), wanted.port);
    error_code error;
    if (!error) acceptor_.open(v4 ? tcp::v4() : tcp::v6(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && !v4) acceptor_.set_option(asio::ip::v6_only(true), error);
    if (!error) acceptor_.bind(at, error);
    if (!error) acceptor_.listen(kBacklog, error);
    return error ? error.message() : std::string();
  }

  Endpoint local() const {
    error_code ignored;
    const tcp::endpoint at = acceptor_.local_endpoint(ignored);
    return endpoint_of(at);
  }

  void accept() {
    acceptor_.async_accept([self = shared_from_this()](error_code error, tcp::socket socket) {
      if (!self->acceptor_.is_open()) return;
      if (error) return self->pause();
      self->take(std::move(socket));
      self->accept();
    });
  }

  void stop() noexcept {
    error_code ignored;
    acceptor_.close(ignored);
    rest_.cancel();
  }

 private:
  static constexpr int kBacklog = 128;
  static constexpr std::chrono::milliseconds kRest{100};

  /// Without descriptors the next try would fail at once.
  void pause() {
    rest_.expires_after(kRest);
    rest_.async_wait([self = shared_from_this()](error_code error) {
      if (!error && self->acceptor_.is_open()) self->accept();
    });
  }

  /// By bytes: the text of a link-local address has a zone in it.
  static Endpoint endpoint_of(const tcp::endpoint& from) {
    if (from.address().is_v4()) {
      const auto bytes = from.address().to_v4().to_bytes();
      return {IpAddress::from_bytes(bytes), from.port()};
    }
    const auto bytes = from.address().to_v6().to_bytes();
    return {IpAddress::from_bytes(bytes), from.port()};
  }

  void take(tcp::socket socket) {
    error_code error;
    const tcp::endpoint from = socket.remote_endpoint(error);
    if (error) return;
    const int descriptor = socket.release(error);
    if (!error) serve_(DetachedStream(descriptor, nullptr, local(), endpoint_of(from)));
  }

  tcp::acceptor acceptor_;
  asio::steady_timer rest_;
  Serve serve_;
};

HttpListener::HttpListener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpListener::~HttpListener() { impl_->stop(); }

Result<std::unique_ptr<HttpListener>, std::string> HttpListener::make(asio::io_context& context,
                                                                      const Endpoint& wanted, Serve serve) {
  auto impl = std::make_shared<Impl>(context, std::move(serve));
  if (std::string why = impl->bind(wanted); !why.empty()) {
    return "cannot listen on " + wanted.to_string() + " (TCP): " + why + "; choose another address or port";
  }
  return std::unique_ptr<HttpListener>(new HttpListener(std::move(impl)));
}

Endpoint HttpListener::local() const { return impl_->local(); }
void HttpListener::start() { impl_->accept(); }
void HttpListener::stop() noexcept { impl_->stop(); }

}  // namespace ts::net
