// SPDX-License-Identifier: Apache-2.0
// PeerStreams: the TCP side of a shard's relay (RFC 6062): a listener for each TCP allocation, connections to
// peers from the same port, and the data connections. One thread; callbacks only.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include <turnstone/net/counters.hpp>
#include <turnstone/net/listen.hpp>
#include <turnstone/turn/server.hpp>

#include "data_connection.hpp"

namespace ts::net {

class PeerStreams final : public DataConnectionOwner {
 public:
  /// `flush` is called at the end of each turn.
  PeerStreams(asio::io_context& context, turn::Server& server, turn::Outbox& outbox, Counters& counters,
              std::function<void()> flush);

  /// The outcome of an OpenRelay: nothing when it listens.
  std::optional<turn::RelayError> open(const turn::OpenRelay& command);
  void close(const turn::RelayId& relay) noexcept;
  /// Begins to connect; the server is told of the outcome in a later turn.
  void connect(const turn::ConnectPeer& command);
  /// Joins a client's stream to the connection. Nothing: the stream has ended already.
  void bind(turn::ConnectionId id, std::optional<MovedStream> client);
  /// Closes a connection or gives up an attempt; the server is not told.
  void close(turn::ConnectionId id) noexcept;
  void stop() noexcept;

 private:
  struct Relay {
    Relay(asio::io_context& context, const turn::RelayId& id, const Endpoint& at)
        : acceptor(context), pause(context), relay(id), local(at) {}
    tcp::acceptor acceptor;
    asio::steady_timer pause;
    turn::RelayId relay;
    Endpoint local;
  };
  struct Attempt {
    Attempt(asio::io_context& context, const turn::ConnectPeer& c)
        : socket(context), retry(context), command(c) {}
    tcp::socket socket;
    asio::steady_timer retry;
    turn::ConnectPeer command;
    int tries = 0;
  };

  void wait_for_peers(const std::shared_ptr<Relay>& relay);
  /// Accepts what waits; false: there are no descriptors.
  bool accept_peers(Relay& relay);
  void try_to_connect(const std::shared_ptr<Attempt>& attempt);
  void tried(const std::shared_ptr<Attempt>& attempt, int error);
  void add(turn::ConnectionId id, tcp::socket socket, const Endpoint& local, const Endpoint& peer);
  void forget(const DataConnection& connection) noexcept;
  void sweep_later();

  turn::Pace relayed(const DataConnection& connection, bool to_peer, std::size_t size) override;
  void ended(DataConnection& connection) override;
  MutableBytes read_buffer() override { return {read_buffer_.get(), kReadBytes}; }

  /// The most that waits for a slow side.
  static constexpr std::size_t kReadBytes = 65'536;

  asio::io_context& context_;
  turn::Server& server_;
  turn::Outbox& outbox_;
  Counters& counters_;
  std::function<void()> flush_;
  std::unique_ptr<std::uint8_t[]> read_buffer_;
  asio::steady_timer sweep_timer_;
  bool sweeping_ = false;
  bool stopped_ = false;
  boost::unordered_flat_map<std::uint64_t, std::shared_ptr<Relay>> relays_;
  boost::unordered_flat_map<turn::ConnectionId, std::shared_ptr<Attempt>> attempts_;
  boost::unordered_flat_map<turn::ConnectionId, std::shared_ptr<DataConnection>> connections_;
};

}  // namespace ts::net
