// SPDX-License-Identifier: Apache-2.0
// DtlsSession: one DTLS association (RFC 6347) as steps over OpenSSL. It reads the datagram that its wire
// holds, and writes records to the wire's writer; no socket, no copy of its own. One thread.
#pragma once

#include <turnstone/net/tls.hpp>
#include <turnstone/turn/client.hpp>

#include "dtls_cookie.hpp"

namespace ts::net {

class DtlsSession;

/// Takes what sessions send: one datagram a call, whose bytes live during the call only.
class DtlsWriter {
 public:
  virtual void write_datagram(const DtlsSession& session, ByteView bytes) = 0;

 protected:
  ~DtlsWriter() = default;
};

/// What the sessions of a shard read from and write to; set for one session at a time.
struct DtlsWire {
  explicit DtlsWire(DtlsWriter& w) noexcept : writer(w) {}
  DtlsWriter& writer;
  const DtlsSession* session = nullptr;
  ByteView datagram;
  bool unread = false;
  bool peek = false;
};

class DtlsSession {
 public:
  /// Where it is from: a listener by index, and the five-tuple.
  struct Origin {
    std::size_t listener = 0;
    turn::FiveTuple tuple;
    DtlsCookie cookie{};
  };
  enum class Status : std::uint8_t { Done, Again, Closed, Failed };
  struct Step {
    Status status = Status::Failed;
    std::size_t bytes = 0;
  };

  /// `tls` is fresh; the wire outlives the session.
  DtlsSession(TlsSession tls, DtlsWire& wire, const Origin& origin) noexcept;

  /// The ClientHello whose cookie was verified.
  Step begin(ByteView datagram) noexcept;
  /// Gives a datagram to be read by handshake() or read().
  void offer(ByteView datagram) noexcept;
  /// Done: established.
  Step handshake() noexcept;
  /// The next record's plaintext. `out` may be the datagram's own room.
  Step read(MutableBytes out) noexcept;
  /// One record, one datagram.
  Step write(ByteView bytes) noexcept;
  /// Sends close_notify.
  void close() noexcept;
  /// Sends the last flight again when it is time.
  Step retransmit() noexcept;
  /// Time until retransmit() has something to do.
  std::optional<Duration> until_retransmit() const noexcept;
  /// Gives record buffers back until the next record.
  void release_buffers() noexcept;

  bool holds_buffers() const noexcept { return holds_buffers_; }
  bool is_established() const noexcept { return established_; }
  const Origin& origin() const noexcept { return origin_; }

  // DtlsSet's.
  TimePoint deadline{};      ///< of the handshake
  TimePoint last_message{};  ///< from the client
  TimePoint last_use{};      ///< in either direction
  TimePoint looked_at = TimePoint::max();
  stun::DtlsEarly early;
  bool broken = false;

 private:
  template <class F>
  Step step(F&& work) noexcept;

  TlsSession tls_;
  DtlsWire& wire_;
  Origin origin_;
  bool established_ = false;
  bool holds_buffers_ = true;
};

}  // namespace ts::net
