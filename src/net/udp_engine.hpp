// SPDX-License-Identifier: Apache-2.0
// UdpEngine: all UDP sockets of a shard behind one descriptor, which Asio waits on. One look reads what is
// there on many sockets, hands it to the core, and lets the shard flush once.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <turnstone/net/counters.hpp>
#include <turnstone/net/listen.hpp>
#include <turnstone/turn/server.hpp>

#include "coalescer.hpp"
#include "dtls_set.hpp"
#include "mark_sampler.hpp"
#include "udp_mover.hpp"

namespace ts::net {

class UdpEngine final : public DatagramSink, private DatagramHandler {
 public:
  /// `coalescer` is told of all datagrams. `flush` is called at the end of each look; afterwards the receive
  /// buffers are used again.
  UdpEngine(boost::asio::io_context& context, std::vector<BoundSocket> listeners, const Options& options,
            turn::Server& server, turn::Outbox& outbox, Counters& counters, Coalescer& coalescer,
            std::function<void()> flush);

  /// Who takes DTLS's datagrams (RFC 7983), on every listener; without one they are not served.
  void set_dtls(DtlsSet* dtls) noexcept { dtls_ = dtls; }

  /// From now on datagrams are not put together to trains (UDP_GRO) on their way in: the kernel program that
  /// relays before the sockets do takes them one by one. And each is asked for its marks (mark_sampler.hpp).
  /// Before start().
  void take_singly() noexcept;

  /// On the thread of the context; before anything else. Throws std::system_error.
  void start();
  void stop() noexcept;

  /// Whether to pause by itself where that pays, as it does at first, or somebody else pauses for all.
  void pause_alone(bool alone) noexcept { pauses_ = alone; }
  /// Datagrams that came since it was last asked.
  std::size_t take_found() noexcept { return std::exchange(found_in_all_, 0); }

  /// The outcome of an OpenRelay: nothing when the socket is open.
  std::optional<turn::RelayError> open(const turn::OpenRelay& command);
  void close(const turn::RelayId& relay) noexcept;
  /// The ports of relays that were closed are free when it returns.
  void settle() noexcept { mover_->settle(); }
  /// Takes a relay socket out, for another shard; empty: there is none.
  Descriptor release(const turn::RelayId& relay) noexcept;
  /// Takes a relay socket in; false: the kernel refuses, and the socket is closed.
  bool attach(const turn::RelayId& relay, Descriptor descriptor);

  /// Queue datagrams; send_queued() sends them. The bytes must live until then.
  void queue(const turn::ToClient& transmit);
  void queue(const turn::ToPeer& transmit);
  void send_datagram(std::size_t listener, const turn::FiveTuple& tuple, ByteView bytes,
                     std::uint8_t tos) override;
  void send_queued() noexcept;

 private:
  /// What is kept of a socket's datagrams.
  struct Seen {
    MarkSampler marks;
    DropCount drops;
  };
  struct Relay {
    Descriptor descriptor;
    std::uint32_t generation = 0;
    bool dont_fragment = false;
    Seen seen;
  };

  void wait();
  /// Looks at the sockets until little comes, with naps in between while they pay.
  void turn();
  void woke() override;
  void received(std::uint64_t tag, std::span<const Datagram> batch) override;
  void failed(std::uint64_t tag) override;
  void flush() override;
  int descriptor_of(std::uint64_t tag) const noexcept override;
  void note(UdpSocketKind kind, int descriptor, IpFamily family, Seen& seen,
            std::span<const Datagram> batch) noexcept;
  /// `total`: what the kernel has dropped in the life of the socket.
  void count_drops(UdpSocketKind kind, Seen& seen, std::uint32_t total) noexcept;
  void read_listener(std::size_t index, std::span<const Datagram> batch);
  void read_relay(std::uint64_t tag, std::span<const Datagram> batch);
  /// Tells the core what the error queue of a relay socket holds, and empties it.
  std::size_t read_errors(std::uint64_t tag, const turn::RelayId& id, int descriptor);
  void tell_too_long(std::uint64_t tag, const turn::RelayId& id, const Endpoint& to, std::uint32_t mtu);
  /// The open relay that a tag names, and its id; null when it is closed meanwhile.
  const Relay* find(std::uint64_t tag, turn::RelayId& id) const noexcept;
  Relay* find(std::uint64_t tag, turn::RelayId& id) noexcept;
  Relay* find(const turn::RelayId& relay) noexcept;
  void send_from(const BoundSocket& listener, const turn::FiveTuple& tuple, ByteView bytes, std::uint8_t tos,
                 std::uint32_t scope);
  /// The listener whose endpoint the datagram leaves from.
  const BoundSocket& source_of(const turn::ToClient& transmit) const noexcept;

  UdpEngineKind kind_;
  std::unique_ptr<UdpMover> mover_;  // from start() on
  boost::asio::posix::stream_descriptor ready_;
  std::vector<BoundSocket> listeners_;
  std::vector<Seen> listeners_seen_;
  std::vector<std::array<Relay, 2>> relays_;  // by slot index and family
  std::uint32_t relay_buffer_bytes_;
  bool singly_ = false;
  turn::Server& server_;
  turn::Outbox& outbox_;
  Counters& counters_;
  std::function<void()> flush_;
  DtlsSet* dtls_ = nullptr;
  Coalescer& coalescer_;
  bool pauses_ = true;
  std::size_t found_in_all_ = 0;
  SendBatch sends_;
  /// When the look that is under way was done with waiting, and how many datagrams it found.
  Now moment_;
  std::size_t found_ = 0;
  /// Until the error queue, which knows the MTU, is read.
  std::vector<SendBatch::TooLong> too_long_;
  /// Relay sockets whose error queue is to be read at the next look.
  std::vector<std::uint64_t> errored_;
  std::vector<std::uint64_t> errors_read_;
};

}  // namespace ts::net
