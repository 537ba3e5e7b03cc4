// SPDX-License-Identifier: Apache-2.0
#include "udp_engine.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>

#include <turnstone/net/clock.hpp>
#include <turnstone/stun/demux.hpp>

#include "nap.hpp"
#include "udp_errors.hpp"

namespace ts::net {
namespace {

static_assert(ReceiveBatch::kHeadroomBytes >= turn::kHeadroomBytes);
static_assert(ReceiveBatch::kTailroomBytes >= turn::kTailroomBytes);
static_assert(ReceiveBatch::kPayloadBytes >= DtlsSet::kRoomBytes);

/// What a tag names: a listener by index, or a relay socket by slot index, family and generation. The
/// generation tells what comes of a closed socket from that of its successor in the same slot. The core
/// writes headers in front of what a relay got.
constexpr std::uint64_t kRelayTag = UdpMover::kApart;
constexpr std::uint64_t kV6Tag = std::uint64_t{1} << 62;
constexpr std::uint32_t kGenerationMask = (1U << 30) - 1;

std::uint64_t tag_of(const turn::RelayId& relay) noexcept {
  return kRelayTag | (relay.family == IpFamily::V6 ? kV6Tag : 0) |
         (std::uint64_t{relay.allocation.generation & kGenerationMask} << 32) | relay.allocation.index;
}

/// A client's route: its listener and, of a link-local client, the interface (Linux numbers them from 1).
constexpr int kScopeShift = 16;
constexpr std::uint32_t scope_of(turn::Route route) noexcept {
  return static_cast<std::uint32_t>(route >> kScopeShift);
}
constexpr turn::Route kListenerMask = (turn::Route{1} << kScopeShift) - 1;

std::size_t family_index(IpFamily family) noexcept { return family == IpFamily::V4 ? 0 : 1; }

/// epoll also where io_uring was chosen and now is refused, as when memory is short.
std::unique_ptr<UdpMover> make_mover(UdpEngineKind kind) {
  std::string why;
  auto ring = kind == UdpEngineKind::IoUring ? make_ring_mover(why) : nullptr;
  return ring ? std::move(ring) : make_epoll_mover();
}

bool is_dtls(ByteView datagram) noexcept {
  return !datagram.empty() && stun::classify_packet(datagram[0]) == stun::Packet::Dtls;
}

/// Turns in which so few datagrams came end at once; busier ones look again before they go back to Asio.
constexpr std::size_t kBusyDatagrams = 4;
/// A turn lasts no longer, so that streams and timers of the shard get their share.
constexpr Duration kLongestTurn = std::chrono::milliseconds(1);
/// Errors of one socket in one round.
constexpr std::size_t kMaxErrors = 64;

}  // namespace

UdpEngine::UdpEngine(boost::asio::io_context& context, std::vector<BoundSocket> listeners,
                     const Options& options, turn::Server& server, turn::Outbox& outbox, Counters& counters,
                     Coalescer& coalescer, std::function<void()> flush)
    : kind_(options.udp_engine),
      ready_(context),
      listeners_(std::move(listeners)),
      listeners_seen_(listeners_.size()),
      relay_buffer_bytes_(options.udp_relay_buffer_bytes),
      server_(server),
      outbox_(outbox),
      counters_(counters),
      flush_(std::move(flush)),
      coalescer_(coalescer) {
  too_long_.reserve(kMaxErrors);
}

void UdpEngine::take_singly() noexcept {
  singly_ = true;
  for (const BoundSocket& listener : listeners_) enable_trains(listener.descriptor.get(), false);
}

void UdpEngine::start() {
  mover_ = make_mover(kind_);
  const int ready = ::fcntl(mover_->descriptor(), F_DUPFD_CLOEXEC, 0);
  if (ready < 0) throw std::system_error(errno, std::system_category(), "fcntl");
  ready_.assign(ready);
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (!mover_->watch(listeners_[i].descriptor.get(), i))
      throw std::system_error(std::make_error_code(std::errc::not_enough_memory), "watching a listener");
  }
  turn();
  wait();
}

void UdpEngine::stop() noexcept {
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    mover_->unwatch(listeners_[i].descriptor.get(), i);
    listeners_[i].descriptor = Descriptor();
  }
  mover_->settle();
  boost::system::error_code ignored;
  ready_.close(ignored);
}

void UdpEngine::wait() {
  mover_->rest();
  ready_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                    [this](const boost::system::error_code& error) {
                      if (error) return;
                      turn();
                      wait();
                    });
}

void UdpEngine::turn() {
  const TimePoint began = now().mono;
  for (Duration slept{};;) {
    found_ = 0;
    mover_->look(*this);
    if (slept > Duration::zero()) counters_.nap_delays.add(slept, found_);
    found_in_all_ += found_;
    if (moment_.mono - began >= kLongestTurn) return;
    const Duration nap = pauses_ ? coalescer_.nap_after(moment_.mono, found_) : Duration::zero();
    if (nap == Duration::zero() && found_ < kBusyDatagrams) return;
    slept = nap > Duration::zero() ? take_nap(nap, counters_) : Duration::zero();
  }
}

void UdpEngine::woke() {
  moment_ = now();
  errors_read_.swap(errored_);
  for (const std::uint64_t tag : errors_read_) failed(tag);
  errors_read_.clear();
}

void UdpEngine::received(std::uint64_t tag, std::span<const Datagram> batch) {
  ++counters_.udp_receive_batches;
  counters_.udp_received_packets += batch.size();
  found_ += batch.size();
  if (batch.empty()) return;
  coalescer_.saw(batch.size(), tag + batch.front().from.port);
  if ((tag & kRelayTag) != 0) {
    read_relay(tag, batch);
  } else {
    read_listener(tag, batch);
  }
}

void UdpEngine::flush() {
  flush_();
  send_queued();  // a flush with nothing from the core sends nothing, but a handshake may have answered
}

int UdpEngine::descriptor_of(std::uint64_t tag) const noexcept {
  turn::RelayId id;
  if ((tag & kRelayTag) == 0) return listeners_[tag].descriptor.get();
  const Relay* relay = find(tag, id);
  return relay != nullptr ? relay->descriptor.get() : -1;
}

void UdpEngine::note(UdpSocketKind kind, int descriptor, IpFamily family, Seen& seen,
                     std::span<const Datagram> batch) noexcept {
  // What few datagrams the kernel leaves to us show it whether marks stay: none goes unasked then.
  if (!singly_) seen.marks.received(descriptor, family, batch, moment_.mono);
  if (const std::uint32_t dropped = batch.back().dropped; dropped != 0) count_drops(kind, seen, dropped);
}

void UdpEngine::count_drops(UdpSocketKind kind, Seen& seen, std::uint32_t total) noexcept {
  counters_.udp_receive_drops[static_cast<std::size_t>(kind)] += seen.drops.added(total);
}

void UdpEngine::read_listener(std::size_t index, std::span<const Datagram> batch) {
  const BoundSocket& listener = listeners_[index];
  note(UdpSocketKind::Listener, listener.descriptor.get(), listener.local.address.family(),
       listeners_seen_[index], batch);
  ::ts::turn::Inbound in;
  for (const Datagram& datagram : batch) {
    in.route = index | ::ts::turn::Route{datagram.scope} << kScopeShift;
    in.tuple.client = datagram.from;
    in.tuple.server = Endpoint{datagram.to.value_or(listener.local.address), listener.local.port};
    if (dtls_ != nullptr && is_dtls(datagram.bytes)) {
      ::ts::turn::FiveTuple tuple = in.tuple;
      tuple.transport = ::ts::turn::Transport::Dtls;
      if (dtls_->received(moment_, in.route, tuple, datagram.bytes)) continue;
    }
    in.bytes = datagram.bytes;
    in.tos = datagram.tos;
    server_.from_client(moment_, in, outbox_);
  }
}

void UdpEngine::read_relay(std::uint64_t tag, std::span<const Datagram> batch) {
  turn::RelayId id;
  Relay* relay = find(tag, id);
  if (relay == nullptr) return;
  note(UdpSocketKind::Relay, relay->descriptor.get(), id.family, relay->seen, batch);
  for (const Datagram& datagram : batch)
    server_.from_peer(moment_, id, datagram.from, datagram.bytes, outbox_, datagram.tos);
}

const UdpEngine::Relay* UdpEngine::find(std::uint64_t tag, turn::RelayId& id) const noexcept {
  const auto index = static_cast<std::uint32_t>(tag);
  const IpFamily family = (tag & kV6Tag) != 0 ? IpFamily::V6 : IpFamily::V4;
  if (index >= relays_.size()) return nullptr;
  const Relay& relay = relays_[index][family_index(family)];
  if (!relay.descriptor || (relay.generation & kGenerationMask) != ((tag >> 32) & kGenerationMask))
    return nullptr;
  id = turn::RelayId{SlotHandle{index, relay.generation}, family};
  return &relay;
}

UdpEngine::Relay* UdpEngine::find(std::uint64_t tag, turn::RelayId& id) noexcept {
  return const_cast<Relay*>(std::as_const(*this).find(tag, id));
}

void UdpEngine::failed(std::uint64_t tag) {
  turn::RelayId id;
  if ((tag & kRelayTag) == 0) return clear_pending_error(listeners_[tag].descriptor.get());
  if (const Relay* relay = find(tag, id)) found_ += read_errors(tag, id, relay->descriptor.get());
}

std::size_t UdpEngine::read_errors(std::uint64_t tag, const turn::RelayId& id, int descriptor) {
  // A full error queue leaves its mark on the socket alone, which would wake us for ever. First, so that what
  // comes meanwhile leaves a mark that is seen.
  clear_pending_error(descriptor);
  std::size_t count = 0;
  for (; count < kMaxErrors; ++count) {
    const auto error = next_error(descriptor);
    if (!error) break;
    if (error->too_long_for_link) {
      tell_too_long(tag, id, error->to, error->info);
    } else {
      server_.from_peer_error(moment_, id, error->to, {error->type, error->code, error->info}, outbox_);
    }
  }
  return count;
}

void UdpEngine::tell_too_long(std::uint64_t tag, const turn::RelayId& id, const Endpoint& to,
                              std::uint32_t mtu) {
  // The kernel tells the address and the MTU but for IPv4 no port, and may have queued more than one entry
  // for a datagram: what failed is known from the sending.
  const bool v4 = id.family == IpFamily::V4;
  std::erase_if(too_long_, [&](const SendBatch::TooLong& one) {
    if (one.tag != tag || one.to.address != to.address) return false;
    const turn::IcmpError error{static_cast<std::uint8_t>(v4 ? 3 : 2), static_cast<std::uint8_t>(v4 ? 4 : 0),
                                mtu};
    server_.from_peer_error(moment_, id, one.to, error, outbox_);
    return true;
  });
}

std::optional<turn::RelayError> UdpEngine::open(const turn::OpenRelay& command) {
  using ::ts::turn::RelayError;
  RelaySocket socket = open_relay_socket(command.local, relay_buffer_bytes_);
  if (socket.error == EADDRINUSE) return RelayError::AddressInUse;
  if (socket.error != 0) return RelayError::NoResources;
  if (singly_) enable_trains(socket.descriptor.get(), false);
  if (!attach(command.relay, std::move(socket.descriptor))) return RelayError::NoResources;
  return std::nullopt;
}

bool UdpEngine::attach(const turn::RelayId& id, Descriptor descriptor) {
  const SlotHandle slot = id.allocation;
  if (slot.index >= relays_.size()) relays_.resize(slot.index + 1);
  Relay& relay = relays_[slot.index][family_index(id.family)];
  relay.descriptor = std::move(descriptor);
  relay.generation = slot.generation;
  relay.dont_fragment = false;
  relay.seen = {MarkSampler(), DropCount(drops_of(relay.descriptor.get()))};
  if (mover_->watch(relay.descriptor.get(), tag_of(id))) return true;
  relay.descriptor = Descriptor();
  return false;
}

Descriptor UdpEngine::release(const turn::RelayId& id) noexcept {
  Relay* relay = find(id);
  if (relay == nullptr) return Descriptor();
  mover_->unwatch(relay->descriptor.get(), tag_of(id));
  mover_->settle();
  count_drops(UdpSocketKind::Relay, relay->seen, drops_of(relay->descriptor.get()));
  // The next owner takes it as open_relay_socket() makes it.
  if (relay->dont_fragment) set_dont_fragment(relay->descriptor.get(), id.family, false);
  enable_traffic_class(relay->descriptor.get(), id.family, true);
  return std::move(relay->descriptor);
}

UdpEngine::Relay* UdpEngine::find(const turn::RelayId& relay) noexcept {
  if (relay.allocation.index >= relays_.size()) return nullptr;
  Relay& found = relays_[relay.allocation.index][family_index(relay.family)];
  return found.descriptor && found.generation == relay.allocation.generation ? &found : nullptr;
}

void UdpEngine::close(const turn::RelayId& relay) noexcept {
  Relay* found = find(relay);
  if (found == nullptr) return;
  // Of what no later datagram has told.
  count_drops(UdpSocketKind::Relay, found->seen, drops_of(found->descriptor.get()));
  mover_->unwatch(found->descriptor.get(), tag_of(relay));
  found->descriptor = Descriptor();
}

const BoundSocket& UdpEngine::source_of(const turn::ToClient& transmit) const noexcept {
  const BoundSocket& asked = listeners_[transmit.route & kListenerMask];
  if (!transmit.other_source) return asked;
  const Endpoint& wanted = transmit.tuple.server;
  const auto found = std::find_if(listeners_.begin(), listeners_.end(), [&](const BoundSocket& listener) {
    const IpAddress& local = listener.local.address;
    return listener.local.port == wanted.port && local.family() == wanted.address.family() &&
           (local == wanted.address || local.is_unspecified());
  });
  return found != listeners_.end() ? *found : asked;
}

void UdpEngine::queue(const turn::ToClient& transmit) {
  if (!DtlsSet::is_dtls(transmit.route))
    return send_from(source_of(transmit), transmit.tuple, transmit.bytes, transmit.tos,
                     scope_of(transmit.route));
  if (dtls_ != nullptr) dtls_->send(now().mono, transmit);
}

void UdpEngine::send_datagram(std::size_t index, const turn::FiveTuple& tuple, ByteView bytes,
                              std::uint8_t tos) {
  send_from(listeners_[index & kListenerMask], tuple, bytes, tos, scope_of(index));
}

void UdpEngine::send_from(const BoundSocket& listener, const turn::FiveTuple& tuple, ByteView bytes,
                          std::uint8_t tos, std::uint32_t scope) {
  const bool wildcard = listener.local.address.is_unspecified();
  sends_.add(listener.descriptor.get(), tuple.client,
             wildcard ? std::optional(tuple.server.address) : std::nullopt, bytes, tos, 0, scope);
}

void UdpEngine::queue(const turn::ToPeer& transmit) {
  Relay* relay = find(transmit.relay);
  if (relay == nullptr) return;
  if (relay->dont_fragment != transmit.dont_fragment) {
    // The flag is the socket's: what is queued under the old one leaves first.
    send_queued();
    set_dont_fragment(relay->descriptor.get(), transmit.relay.family, transmit.dont_fragment);
    relay->dont_fragment = transmit.dont_fragment;
  }
  sends_.add(relay->descriptor.get(), transmit.peer, std::nullopt, transmit.bytes, transmit.tos,
             tag_of(transmit.relay));
}

void UdpEngine::send_queued() noexcept {
  const SendBatch::Stats stats = mover_->send(sends_);
  counters_.udp_sent_packets += stats.sent;
  counters_.udp_send_errors += stats.failed;
  counters_.udp_sent_in_trains += stats.in_trains;
  if (dtls_ != nullptr) dtls_->sent();
  for (const std::uint64_t tag : sends_.errored()) {
    if ((tag & kRelayTag) != 0) errored_.push_back(tag);
  }
  for (const SendBatch::TooLong& one : sends_.too_long()) {
    if ((one.tag & kRelayTag) == 0) continue;
    if (too_long_.size() >= kMaxErrors) too_long_.clear();  // nobody will come for them any more
    too_long_.push_back(one);
  }
}

}  // namespace ts::net
