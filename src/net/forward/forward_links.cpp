// SPDX-License-Identifier: Apache-2.0
// Forwarder: connections to other nodes, plain or TLS, made, kept for a while, and looked at before they are
// used again.
#include <cstring>

#include <boost/asio/connect.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "../http/server_impl.hpp"
#include "../socket_address.hpp"
#include "forwarder_impl.hpp"

namespace ts::net {
namespace {

using SteadyClock = asio::steady_timer::clock_type;

/// Connections to one node that are kept for the next request, and how long: less than its idle time.
constexpr std::size_t kMaxIdle = 64;
constexpr std::chrono::seconds kIdleLife{15};
/// What a name stands for is looked up anew after this.
constexpr std::chrono::seconds kNameLife{30};

Endpoint endpoint_of(const tcp::endpoint& from) noexcept {
  sockaddr_storage storage{};
  std::memcpy(&storage, from.data(), from.size());
  return from_sockaddr(storage);
}

/// A session of ours with the server of that name or address; null: no memory.
TlsSession client_session(SSL_CTX* context, int descriptor, const std::string& host) {
  TlsSession out(SSL_new(context));
  if (!out || SSL_set_fd(out.get(), descriptor) != 1) return nullptr;
  SSL_ctrl(out.get(), SSL_CTRL_MODE,
           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS,
           nullptr);
  SSL_ctrl(out.get(), SSL_CTRL_CLEAR_MODE, SSL_MODE_AUTO_RETRY, nullptr);
  SSL_set_verify(out.get(), SSL_VERIFY_PEER, nullptr);
  const bool is_address = IpAddress::parse(host).has_value();
  bool named = false;
  if (is_address) {
    named = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(out.get()), host.c_str()) == 1;
  } else {
    std::string name = host;
    SSL_ctrl(out.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
    named = SSL_set1_host(out.get(), host.c_str()) == 1;
  }
  SSL_set_connect_state(out.get());
  return named ? std::move(out) : nullptr;
}

}  // namespace

std::shared_ptr<ForwardLink> Forwarder::Impl::take_idle(ForwardNode& node) {
  const auto oldest = SteadyClock::now() - kIdleLife;
  while (!node.idle.empty()) {
    std::shared_ptr<ForwardLink> link = std::move(node.idle.back());
    node.idle.pop_back();
    if (link->idle_since < oldest) {
      node.idle.clear();  // the others are older
      return nullptr;
    }
    // The other end closes it, or says what nobody asked for: it is of no more use.
    std::uint8_t first = 0;
    if (link->stream.peek(first).status == Stream::Status::WantRead) return link;
  }
  return nullptr;
}

void Forwarder::Impl::keep(ForwardNode& node, std::shared_ptr<ForwardLink> link) {
  if (stopped_ || node.idle.size() >= kMaxIdle) return link->stream.close();
  link->idle_since = SteadyClock::now();
  link->buffer = boost::beast::flat_buffer();  // idle, it has none
  node.idle.push_back(std::move(link));
  plan_sweep();
}

void Forwarder::Impl::plan_sweep() {
  if (stopped_ || std::exchange(sweeping_, true)) return;
  sweep_timer_.expires_after(kIdleLife);
  sweep_timer_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (!self) return;
    self->sweeping_ = false;
    if (!error) self->sweep();
  });
}

void Forwarder::Impl::sweep() {
  const auto oldest = SteadyClock::now() - kIdleLife;
  bool more = false;
  for (const auto& [url, node] : nodes_) {
    while (!node->idle.empty() && node->idle.front()->idle_since < oldest) node->idle.pop_front();
    more = more || !node->idle.empty();
  }
  if (more) plan_sweep();
}

asio::awaitable<std::string> Forwarder::Impl::look_up(ForwardCall& call) {
  ForwardNode& node = *call.node_;
  if (!node.endpoints.empty() && SteadyClock::now() - node.looked_up < kNameLife) co_return std::string();
  std::vector<tcp::endpoint> found;
  const error_code failed = co_await names_.find(node.url.host, node.url.port, call.name_, found);
  if (failed) co_return "the name cannot be resolved: " + failed.message();
  node.endpoints = std::move(found);
  node.looked_up = SteadyClock::now();
  co_return std::string();
}

asio::awaitable<std::string> Forwarder::Impl::connect(ForwardCall& call) {
  call.limit(options.connect_timeout);
  std::string trouble = co_await look_up(call);
  if (!trouble.empty() || call.is_over()) co_return trouble;
  const auto socket = std::make_shared<tcp::socket>(context);
  call.socket_ = socket;
  const std::vector<tcp::endpoint> endpoints = call.node_->endpoints;
  const auto [failed, connected] = co_await asio::async_connect(*socket, endpoints, kTuple);
  call.socket_ = nullptr;
  if (failed || call.is_over()) {
    call.node_->endpoints.clear();
    co_return "cannot connect: " + failed.message();
  }
  error_code error;
  socket->set_option(tcp::no_delay(true), error);
  trouble = co_await shake_hands(call, std::move(*socket));
  co_return trouble;
}

asio::awaitable<std::string> Forwarder::Impl::shake_hands(ForwardCall& call, tcp::socket socket) {
  error_code error;
  const Endpoint local = endpoint_of(socket.local_endpoint(error));
  if (error) co_return error.message();
  const Endpoint remote = endpoint_of(socket.remote_endpoint(error));
  if (error) co_return error.message();
  if (!call.node_->url.tls) {
    call.link_ = std::make_shared<ForwardLink>(Stream(std::move(socket), local, remote));
    co_return std::string();
  }
  const int descriptor = socket.release(error);
  if (error) co_return error.message();
  DetachedStream detached(descriptor, client_session(tls_.native_handle(), descriptor, call.node_->url.host),
                          local, remote);
  if (!detached.tls) co_return std::string("TLS: no memory");
  const auto link = std::make_shared<ForwardLink>(Stream(context, std::move(detached)));
  call.link_ = link;
  for (;;) {
    const Stream::Step step = link->stream.handshake();
    if (step.status == Stream::Status::Done) co_return std::string();
    if (step.status == Stream::Status::Closed) break;
    const auto wanted = Stream::wait_type(step.status);
    const auto [failed] = co_await link->stream.socket().async_wait(wanted, kTuple);
    if (failed) break;
  }
  call.link_ = nullptr;
  link->stream.close();
  co_return std::string("TLS: the handshake failed, or the certificate is not trusted for this name");
}

}  // namespace ts::net
