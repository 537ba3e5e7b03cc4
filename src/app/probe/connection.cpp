// SPDX-License-Identifier: Apache-2.0
#include "connection.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <system_error>
#include <thread>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <turnstone/stun/framer.hpp>

namespace ts::app::probe {
namespace {

constexpr std::size_t kMaxAddresses = 8;
constexpr std::size_t kReadBytes = 65'536;

std::optional<IpAddress> address_of(const sockaddr* from) {
  if (from->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, from, sizeof v4);
    return IpAddress::from_bytes(ByteView(reinterpret_cast<const std::uint8_t*>(&v4.sin_addr), 4));
  }
  if (from->sa_family != AF_INET6) return std::nullopt;
  sockaddr_in6 v6{};
  std::memcpy(&v6, from, sizeof v6);
  return IpAddress::from_bytes(ByteView(v6.sin6_addr.s6_addr, 16));
}

socklen_t to_socket_address(const Endpoint& endpoint, sockaddr_storage& out) {
  const ByteView bytes = endpoint.address.bytes();
  if (endpoint.address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    store_be16(reinterpret_cast<std::uint8_t*>(&v4.sin_port), endpoint.port);
    std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
    std::memcpy(&out, &v4, sizeof v4);
    return sizeof v4;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  store_be16(reinterpret_cast<std::uint8_t*>(&v6.sin6_port), endpoint.port);
  std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
  std::memcpy(&out, &v6, sizeof v6);
  return sizeof v6;
}

struct Resolved {
  int error = 0;
  std::vector<IpAddress> addresses;
};

Resolved resolve_now(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  Resolved out;
  out.error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (out.error != 0) return out;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const auto address = address_of(entry->ai_addr);
    const bool known =
        address && std::find(out.addresses.begin(), out.addresses.end(), *address) != out.addresses.end();
    if (address && !known && out.addresses.size() < kMaxAddresses) out.addresses.push_back(*address);
  }
  ::freeaddrinfo(list);
  return out;
}

std::string error_text(int error) { return std::generic_category().message(error); }

Problem socket_problem(int error, Carrier carrier) {
  const std::string protocol = probe::is_stream(carrier) ? "TCP" : "UDP";
  switch (error) {
    case ECONNREFUSED:
      return {protocol + " port refused: nothing listens there",
              "check that the server runs, its port, and that it listens on this address and on " + protocol,
              false};
    case ENETUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return {"this machine has no route to that address (" + error_text(error) + ")",
              "try from a machine that has such an address family, or ignore this address", true};
    case EHOSTUNREACH:
      return {error_text(error), "check routing and firewalls between here and there", false};
    case ECONNRESET:
    case EPIPE:
      return {"the server closed the connection",
              "check that this port speaks the protocol of the URL, and the server's log", false};
    default: return {error_text(error), "check the network between here and there", false};
  }
}

Problem connect_timeout() {
  return {"no answer to the TCP connect", "open the TCP port in firewalls and security groups on the way",
          false};
}

}  // namespace

Result<std::vector<IpAddress>, Problem> resolve(const std::string& host, TimePoint deadline) {
  if (const auto literal = IpAddress::parse(host)) return std::vector<IpAddress>{*literal};
  // getaddrinfo() has no deadline: a thread that is late is left alone, and its result dropped.
  auto promise = std::make_shared<std::promise<Resolved>>();
  auto future = promise->get_future();
  std::thread([promise, host] {
    try {
      promise->set_value(resolve_now(host));
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  }).detach();
  if (future.wait_for(deadline - net::now().mono) != std::future_status::ready)
    return Problem{"no answer from the resolver in time", "check the name servers in /etc/resolv.conf",
                   false};
  Resolved resolved = future.get();
  if (resolved.error != 0)
    return Problem{::gai_strerror(resolved.error), "check the host name and its A and AAAA records", false};
  if (resolved.addresses.empty()) return Problem{"the name has no address", "add an A or AAAA record", false};
  return std::move(resolved.addresses);
}

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Connection, Problem> Connection::open(Carrier carrier, const Endpoint& server, TimePoint deadline,
                                             const std::optional<IpAddress>& local) {
  const bool udp = !probe::is_stream(carrier);
  const int family = server.address.is_v4() ? AF_INET : AF_INET6;
  const int type = (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  Socket socket(::socket(family, type, 0));
  if (socket.fd() < 0) return socket_problem(errno, carrier);
  // Times are told: small requests must not wait for acknowledgements.
  const int on = 1;
  if (!udp) ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_storage address{};
  if (local) {
    const socklen_t size = to_socket_address({*local, 0}, address);
    if (::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
      return socket_problem(errno, carrier);
  }
  const socklen_t size = to_socket_address(server, address);
  if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    if (errno != EINPROGRESS) return socket_problem(errno, carrier);
    if (!wait_for(socket.fd(), true, deadline)) return connect_timeout();
    int error = 0;
    socklen_t error_bytes = sizeof error;
    ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &error_bytes);
    if (error == ETIMEDOUT) return connect_timeout();
    if (error != 0) return socket_problem(error, carrier);
  }
  return Connection(carrier, std::move(socket));
}

Result<Note, Problem> Connection::secure(const TlsSettings& settings, TimePoint deadline) {
  tls_ = std::make_unique<TlsSession>(!is_stream());
  return tls_->handshake(socket_.fd(), settings, deadline);
}

std::optional<IpAddress> Connection::local_address() const {
  sockaddr_storage local{};
  socklen_t bytes = sizeof local;
  auto* address = reinterpret_cast<sockaddr*>(&local);
  if (::getsockname(socket_.fd(), address, &bytes) != 0) return std::nullopt;
  return address_of(address);
}

TlsIo Connection::try_read(MutableBytes out, std::size_t& done) noexcept {
  if (tls_) return tls_->read(out, done);
  const ssize_t result = ::recv(socket_.fd(), out.data(), out.size(), 0);
  done = result > 0 ? static_cast<std::size_t>(result) : 0;
  if (result > 0) return TlsIo::Done;
  if (result == 0) return is_stream() ? TlsIo::Closed : TlsIo::WantRead;
  return errno == EAGAIN || errno == EINTR ? TlsIo::WantRead : TlsIo::Failed;
}

TlsIo Connection::try_write(ByteView bytes, std::size_t& done) noexcept {
  if (tls_) return tls_->write(bytes, done);
  const ssize_t result = ::send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  done = result > 0 ? static_cast<std::size_t>(result) : 0;
  if (result >= 0) return TlsIo::Done;
  return errno == EAGAIN || errno == EINTR ? TlsIo::WantWrite : TlsIo::Failed;
}

std::optional<Problem> Connection::send(ByteView bytes, TimePoint deadline) {
  while (!bytes.empty()) {
    std::size_t done = 0;
    errno = 0;
    const TlsIo io = try_write(bytes, done);
    if (io == TlsIo::Failed || io == TlsIo::Closed)
      return socket_problem(errno == 0 ? ECONNRESET : errno, carrier_);
    bytes = bytes.subspan(done);
    if (io == TlsIo::Done) continue;
    if (!wait_for(socket_.fd(), io == TlsIo::WantWrite, deadline))
      return Problem{"the server does not take what is sent to it", "check the server's load and log", false};
  }
  return std::nullopt;
}

Result<std::optional<Buffer>, Problem> Connection::receive_some(TimePoint deadline) {
  Buffer buffer(kReadBytes);
  for (;;) {
    std::size_t done = 0;
    errno = 0;
    const TlsIo io = try_read(buffer, done);
    if (io == TlsIo::Failed || io == TlsIo::Closed)
      return socket_problem(errno == 0 || io == TlsIo::Closed ? ECONNRESET : errno, carrier_);
    if (io == TlsIo::Done) {
      buffer.resize(done);
      return std::optional<Buffer>(std::move(buffer));
    }
    if (!wait_for(socket_.fd(), io == TlsIo::WantWrite, deadline)) return std::optional<Buffer>();
  }
}

Result<std::optional<Buffer>, Problem> Connection::receive_message(TimePoint deadline) {
  if (!is_stream()) return receive_some(deadline);
  for (;;) {
    const auto frame = stun::next_frame(pending_);
    if (frame.has_error())
      return Problem{"the server sent what is neither STUN nor ChannelData",
                     "check that this port is a STUN or TURN port", false};
    if (frame->has_value()) {
      const stun::Frame& front = **frame;
      Buffer message(front.message.begin(), front.message.end());
      pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(front.consumed_bytes));
      return std::optional<Buffer>(std::move(message));
    }
    auto more = receive_some(deadline);
    if (more.has_error() || !more->has_value()) return more;
    pending_.insert(pending_.end(), (**more).begin(), (**more).end());
  }
}

}  // namespace ts::app::probe
