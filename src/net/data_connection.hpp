// SPDX-License-Identifier: Apache-2.0
// DataConnection: a peer's connection and, once it is bound, the client's, with bytes flowing both ways
// (RFC 6062 §5.4). A side is read only when the other has taken what came before: the kernel's windows push
// back, and nothing is held in between but one read. Where rates are limited, a flow rests between reads. One
// thread; callbacks only.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include <turnstone/base/time.hpp>
#include <turnstone/net/stream.hpp>
#include <turnstone/turn/client.hpp>

namespace ts::net {

class DataConnection;

/// What a DataConnection needs of its shard.
class DataConnectionOwner {
 public:
  /// Bytes were read, from the client for the peer or the other way (0: nothing yet). How the flow goes on.
  virtual turn::Pace relayed(const DataConnection& connection, bool to_peer, std::size_t size) = 0;
  /// Both sides are closed: it is not used again once this returns.
  virtual void ended(DataConnection& connection) = 0;
  /// Room for one read, shared by all; what does not fit into a socket is copied from it.
  virtual MutableBytes read_buffer() = 0;

 protected:
  ~DataConnectionOwner() = default;
};

class DataConnection : public std::enable_shared_from_this<DataConnection> {
 public:
  DataConnection(turn::ConnectionId id, Stream peer, DataConnectionOwner& owner);

  /// Joins the client's stream to the peer's. Nothing has been read from the peer before.
  void bind(asio::io_context& context, MovedStream client);
  /// Closes both sides; the owner is not told.
  void close() noexcept;
  /// Ends it when one side has said that it is done and the other has moved nothing for long, or when one
  /// that is not read has broken.
  void close_if_late(TimePoint now);

  turn::ConnectionId id() const noexcept { return id_; }
  bool is_bound() const noexcept { return client_.has_value(); }
  bool is_tls() const noexcept { return client_ && client_->is_tls(); }

 private:
  /// One direction. `from` has ended before `over`, which says that `to` was told so.
  struct Flow {
    bool to_peer = false;
    bool from_ended = false;
    bool over = false;
    std::size_t written = 0;
    std::vector<std::uint8_t> queue;
    turn::Pace pace;
    /// Made for the first rest.
    std::optional<asio::steady_timer> timer;
  };

  Stream& from(const Flow& flow) noexcept { return flow.to_peer ? *client_ : peer_; }
  Stream& to(const Flow& flow) noexcept { return flow.to_peer ? peer_ : *client_; }
  Flow& other(const Flow& flow) noexcept { return flow.to_peer ? to_client_ : to_peer_; }
  void pump(Flow& flow);
  /// One step; false: the flow waits or is over.
  bool step(Flow& flow);
  bool write_queue(Flow& flow);
  bool read_and_write(Flow& flow);
  /// True when the flow may not go on yet; a timer is set.
  bool rests(Flow& flow);
  /// The flow rests, and what it would read has broken.
  bool rests_for_nothing(Flow& flow, TimePoint now) noexcept;
  void wait(Flow& flow, Stream& stream, Stream::Status status);
  void later(Flow& flow);
  /// Nothing more goes this way.
  void finish(Flow& flow);
  void end();

  turn::ConnectionId id_;
  Stream peer_;
  std::optional<Stream> client_;
  DataConnectionOwner& owner_;
  Flow to_peer_;
  Flow to_client_;
  bool closed_ = false;
  bool broken_ = false;
  /// While one flow is over: when the other moved bytes last.
  TimePoint moved_at_{};
};

}  // namespace ts::net
