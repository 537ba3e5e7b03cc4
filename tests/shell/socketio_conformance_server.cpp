// SPDX-License-Identifier: Apache-2.0
// The host that the published conformance suites run against, as a program: socketio_conformance_server
// [--port N], 3000 by default, on the loopback addresses. It prints "listening on PORT" when it is ready.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>

#include <turnstone/net/clock.hpp>

#include "socketio_host.hpp"

namespace {

using namespace ts;
using namespace ts::net;

Endpoint endpoint_of(const tcp::endpoint& from) {
  Endpoint out;
  if (from.address().is_v4()) {
    const auto bytes = from.address().to_v4().to_bytes();
    out.address = IpAddress::from_bytes(bytes);
  } else {
    const auto bytes = from.address().to_v6().to_bytes();
    out.address = IpAddress::from_bytes(bytes);
  }
  out.port = from.port();
  return out;
}

/// Hands every connection of one listener to the server.
void accept(tcp::acceptor& listener, HttpServer& server) {
  listener.async_accept([&](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      error_code gone;
      const Endpoint local = endpoint_of(socket.local_endpoint(gone));
      const Endpoint remote = endpoint_of(socket.remote_endpoint(gone));
      const int descriptor = socket.release(gone);
      if (!gone) server.serve(DetachedStream(descriptor, nullptr, local, remote));
    }
    accept(listener, server);
  });
}

bool listen(tcp::acceptor& listener, const char* address, std::uint16_t port) {
  error_code error;
  const tcp::endpoint at(asio::ip::make_address(address), port);
  listener.open(at.protocol(), error);
  if (!error) listener.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) listener.bind(at, error);
  if (!error) listener.listen(asio::socket_base::max_listen_connections, error);
  return !error;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint16_t port = 3000;
  if (argc == 3 && std::string_view(argv[1]) == "--port") {
    port = static_cast<std::uint16_t>(std::strtoul(argv[2], nullptr, 10));
  } else if (argc != 1) {
    std::fprintf(stderr, "usage: %s [--port N]\n", argv[0]);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  asio::io_context context(1);
  SystemRandom random;
  SocketIoHost host(random);
  HttpOptions options;
  options.assets = false;
  HttpServer server(context, options, {}, nullptr, nullptr);
  host.mount(server);
  tcp::acceptor v4(context);
  if (!listen(v4, "127.0.0.1", port)) {
    std::fprintf(stderr, "port %u of 127.0.0.1 cannot be used\n", unsigned{port});
    return 1;
  }
  port = v4.local_endpoint().port();
  tcp::acceptor v6(context);
  accept(v4, server);
  if (listen(v6, "::1", port)) accept(v6, server);  // where there is IPv6
  asio::signal_set stop(context, SIGINT, SIGTERM);
  stop.async_wait([&](error_code, int) { context.stop(); });
  std::printf("listening on %u\n", unsigned{port});
  std::fflush(stdout);
  context.run();
}
