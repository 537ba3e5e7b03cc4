// SPDX-License-Identifier: Apache-2.0
// What the HTTP server sees of the Forwarder: calls, each of which is one request on its way to another node.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <turnstone/base/http_url.hpp>
#include <turnstone/net/forwarder.hpp>
#include <turnstone/net/http_server.hpp>
#include <turnstone/signal/forward_pass.hpp>

#include "../name_finder.hpp"

namespace ts::net {

/// The field that carries the pass.
inline constexpr std::string_view kPassField = "Turnstone-Forwarded";

/// A connection to another node.
struct ForwardLink {
  explicit ForwardLink(Stream s) : stream(std::move(s)) {}
  Stream stream;
  boost::beast::flat_buffer buffer;
  asio::steady_timer::time_point idle_since;
};

/// Where another node is, and connections to it that are kept for what comes next.
struct ForwardNode {
  HttpUrl url;
  std::deque<std::shared_ptr<ForwardLink>> idle;
  std::vector<tcp::endpoint> endpoints;
  asio::steady_timer::time_point looked_up;
};

/// What is known of a request for another node when its head is there.
struct ForwardHead {
  IpAddress client;
  /// Its body is at most so long.
  std::size_t body_bytes = 0;
  bool websocket = false;
  /// It may wait for long, and says nothing that would be lost.
  bool polls = false;
};

/// One request for another node. Holds its place, once it is on its way, until it is destroyed.
class ForwardCall : public std::enable_shared_from_this<ForwardCall> {
 public:
  /// `head` with the bytes that count.
  ForwardCall(std::shared_ptr<Forwarder::Impl> owner, std::shared_ptr<ForwardNode> node, std::string mark,
              const ForwardHead& head);
  ForwardCall(const ForwardCall&) = delete;
  ForwardCall& operator=(const ForwardCall&) = delete;
  ~ForwardCall();

  /// The client is gone, or the server ends: the other node is told by the end of the connection.
  void cancel() noexcept;
  /// The stream to the other node, once a WebSocket is there.
  Stream& stream() noexcept { return link_->stream; }
  bool is_over() const noexcept { return cancelled_ || late_; }

 private:
  friend class Forwarder::Impl;
  /// The connection is closed at that time, unless this is called again.
  void limit(std::chrono::milliseconds time);
  void cut() noexcept;

  const std::shared_ptr<Forwarder::Impl> owner_;
  const std::shared_ptr<ForwardNode> node_;
  const std::string mark_;
  const IpAddress source_;
  const std::size_t body_bytes_;
  const bool websocket_;
  const bool polls_;
  bool entered_ = false;
  bool cancelled_ = false;
  bool late_ = false;
  asio::steady_timer timer_;
  NameWait name_;
  /// While it is being connected.
  std::shared_ptr<tcp::socket> socket_;
  std::shared_ptr<ForwardLink> link_;
};
using ForwardCallPtr = std::shared_ptr<ForwardCall>;

/// What another node said to an upgrade.
struct ForwardedUpgrade {
  ForwardedUpgrade() = default;
  /// It agreed: what is for the client, head and all that came behind it.
  std::string agreed;
  /// It did not.
  HttpResponse refusal;
};

class Forwarder::Impl : public std::enable_shared_from_this<Forwarder::Impl> {
 public:
  Impl(asio::io_context& context, ForwarderOptions options, const signal::ClusterKey& key, Whose whose,
       Report report);

  /// Of a request that shows a pass: whose it is. Nothing: the pass is not good (counted).
  std::optional<signal::AcceptedPass> accept(std::string_view pass, const HttpRequest& request);
  /// Where a session is that is not this node's.
  std::optional<OtherNode> whose(std::string_view sid) const;
  /// Null: too much of bodies is on its way, of all or of this client (counted). Small ones are not asked
  /// for, and large ones are shared out: who sends slowly keeps nobody else out.
  ForwardCallPtr begin(const OtherNode& node, const ForwardHead& head);
  /// What the other node answers, or a 503: then false. The request and `out` must live until the end.
  asio::awaitable<bool> ask(ForwardCallPtr call, const HttpRequest& request, std::chrono::milliseconds time,
                            HttpResponse& out);
  /// `early` came behind the request.
  asio::awaitable<void> upgrade(ForwardCallPtr call, const HttpRequest& request, std::string early,
                                ForwardedUpgrade& out);

  void stop() noexcept;

  asio::io_context& context;
  ForwarderOptions options;
  ForwardCounters counters;

 private:
  friend class ForwardCall;
  /// False: too much is under way (counted).
  bool enter(ForwardCall& call);
  bool has_room(const ForwardHead& counted) const;
  std::shared_ptr<ForwardNode> node_at(const std::string& url);
  std::shared_ptr<ForwardLink> take_idle(ForwardNode& node);
  void keep(ForwardNode& node, std::shared_ptr<ForwardLink> link);
  void plan_sweep();
  void sweep();
  /// Empty: the call has a new connection.
  asio::awaitable<std::string> connect(ForwardCall& call);
  asio::awaitable<std::string> look_up(ForwardCall& call);
  asio::awaitable<std::string> shake_hands(ForwardCall& call, tcp::socket socket);
  asio::awaitable<bool> talk(ForwardCall& call, const HttpRequest& request, HttpResponse& out,
                             std::string& trouble);
  std::string head_of(const ForwardCall& call, const HttpRequest& request);
  HttpResponse failed(const ForwardCall& call, const std::string& trouble);
  void count(Forwarded result) noexcept { ++counters.requests[static_cast<std::size_t>(result)]; }
  void report(const std::string& trouble);

  Whose whose_;
  Report report_;
  signal::PassMaker maker_;
  signal::PassChecker checker_;
  asio::ssl::context tls_{asio::ssl::context::tls_client};
  std::map<std::string, std::shared_ptr<ForwardNode>, std::less<>> nodes_;
  NameFinder names_;
  std::vector<ForwardCall*> calls_;
  std::size_t body_bytes_ = 0;
  /// Of those who have some: not more entries than bodies that count.
  std::map<IpAddress, std::size_t> body_bytes_of_;
  asio::steady_timer sweep_timer_;
  bool sweeping_ = false;
  std::optional<asio::steady_timer::time_point> reported_;
  bool stopped_ = false;
};

}  // namespace ts::net
