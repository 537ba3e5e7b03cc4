// SPDX-License-Identifier: Apache-2.0
#include "udp_engine.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

#include <sys/epoll.h>

#include <turnstone/net/clock.hpp>
#include <turnstone/stun/demux.hpp>

#include "udp_errors.hpp"

namespace ts::net {
namespace {

static_assert(ReceiveBatch::kHeadroomBytes >= turn::kHeadroomBytes);
static_assert(ReceiveBatch::kTailroomBytes >= turn::kTailroomBytes);
static_assert(ReceiveBatch::kPayloadBytes >= DtlsSet::kRoomBytes);

/// What an epoll event names: a listener by index, or a relay socket by slot index, family and generation.
/// The generation tells events of a closed socket from those of its successor in the same slot.
constexpr std::uint64_t kRelayTag = std::uint64_t{1} << 63;
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

int make_epoll() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
  return descriptor;
}

/// Returns how long it really was.
Duration sleep_for(Duration duration) noexcept {
  const TimePoint began = now().mono;
  const timespec wanted{0, static_cast<long>(duration.count())};  // below a second: the config's limit
  ::clock_nanosleep(CLOCK_MONOTONIC, 0, &wanted, nullptr);
  return now().mono - began;
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
                     std::uint32_t relay_buffer_bytes, Duration coalesce, turn::Server& server,
                     turn::Outbox& outbox, Counters& counters, std::function<void()> flush)
    : epoll_(context, make_epoll()),
      listeners_(std::move(listeners)),
      listeners_seen_(listeners_.size()),
      relay_buffer_bytes_(relay_buffer_bytes),
      server_(server),
      outbox_(outbox),
      counters_(counters),
      flush_(std::move(flush)),
      coalescer_(coalesce) {
  too_long_.reserve(kMaxErrors);
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (!watch(listeners_[i].descriptor.get(), i))
      throw std::system_error(errno, std::system_category(), "epoll_ctl");
  }
}

void UdpEngine::start() { wait(); }

void UdpEngine::stop() noexcept {
  boost::system::error_code ignored;
  epoll_.close(ignored);
}

bool UdpEngine::watch(int descriptor, std::uint64_t tag) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  return ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void UdpEngine::wait() {
  epoll_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                    [this](const boost::system::error_code& error) {
                      if (error) return;
                      turn();
                      wait();
                    });
}

void UdpEngine::turn() {
  const TimePoint began = now().mono;
  for (Now moment{began, {}}; moment.mono - began < kLongestTurn;) {
    const std::size_t datagrams = look(moment);
    const Duration nap = coalescer_.nap_after(moment.mono, datagrams);
    if (nap > Duration::zero()) {
      last_nap_ = sleep_for(nap);
      ++counters_.udp_naps;
    } else if (datagrams < kBusyDatagrams) {
      return;
    }
  }
}

std::size_t UdpEngine::look(Now& moment) {
  std::array<epoll_event, 64> events;
  const int ready = ::epoll_wait(epoll_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
  moment = now();
  const Duration nap = std::exchange(last_nap_, Duration::zero());
  if (ready <= 0) return 0;
  std::size_t datagrams = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(ready); ++i) {
    if (!received_.has_room()) {
      flush_();
      send_queued();
      received_.recycle();
    }
    const std::uint64_t tag = events[i].data.u64;
    // Errors first: the oldest one would fail the read.
    if ((events[i].events & EPOLLERR) != 0) datagrams += read_errors(tag, moment);
    datagrams += (tag & kRelayTag) != 0 ? read_relay(tag, moment) : read_listener(tag, moment);
  }
  flush_();
  send_queued();  // a flush with nothing from the core sends nothing, but a handshake may have answered
  received_.recycle();
  if (nap > Duration::zero()) counters_.udp_nap_delays.add(nap, datagrams);
  return datagrams;
}

std::span<const Datagram> UdpEngine::receive(int descriptor, const Source& source, Seen& seen,
                                             Now moment) noexcept {
  seen.marks.before(descriptor, source.family, moment.mono);
  // The core writes headers in front of what a relay got.
  const auto batch = received_.receive(descriptor, source.is_relay);
  seen.marks.after(descriptor, source.family, batch);
  if (received_.dropped() != 0)
    count_drops(source.is_relay ? UdpSocketKind::Relay : UdpSocketKind::Listener, seen, received_.dropped());
  if (!batch.empty()) coalescer_.saw(batch.size(), source.tag + batch.front().from.port);
  ++counters_.udp_receive_batches;
  counters_.udp_received_packets += batch.size();
  return batch;
}

void UdpEngine::count_drops(UdpSocketKind kind, Seen& seen, std::uint32_t total) noexcept {
  counters_.udp_receive_drops[static_cast<std::size_t>(kind)] += seen.drops.added(total);
}

std::size_t UdpEngine::read_listener(std::size_t index, Now moment) {
  const BoundSocket& listener = listeners_[index];
  const Source source{listener.local.address.family(), index, false};
  const auto batch = receive(listener.descriptor.get(), source, listeners_seen_[index], moment);
  ::ts::turn::Inbound in;
  for (const Datagram& datagram : batch) {
    in.route = index | ::ts::turn::Route{datagram.scope} << kScopeShift;
    in.tuple.client = datagram.from;
    in.tuple.server = Endpoint{datagram.to.value_or(listener.local.address), listener.local.port};
    if (dtls_ != nullptr && is_dtls(datagram.bytes)) {
      ::ts::turn::FiveTuple tuple = in.tuple;
      tuple.transport = ::ts::turn::Transport::Dtls;
      if (dtls_->received(moment, in.route, tuple, datagram.bytes)) continue;
    }
    in.bytes = datagram.bytes;
    in.tos = datagram.tos;
    server_.from_client(moment, in, outbox_);
  }
  return batch.size();
}

UdpEngine::Relay* UdpEngine::find(std::uint64_t tag, turn::RelayId& id) noexcept {
  const auto index = static_cast<std::uint32_t>(tag);
  const IpFamily family = (tag & kV6Tag) != 0 ? IpFamily::V6 : IpFamily::V4;
  if (index >= relays_.size()) return nullptr;
  Relay& relay = relays_[index][family_index(family)];
  if (!relay.descriptor || (relay.generation & kGenerationMask) != ((tag >> 32) & kGenerationMask))
    return nullptr;
  id = turn::RelayId{SlotHandle{index, relay.generation}, family};
  return &relay;
}

std::size_t UdpEngine::read_errors(std::uint64_t tag, Now moment) {
  turn::RelayId id;
  if ((tag & kRelayTag) == 0) {
    clear_pending_error(listeners_[tag].descriptor.get());
    return 0;
  }
  const Relay* relay = find(tag, id);
  if (relay == nullptr) return 0;
  const int descriptor = relay->descriptor.get();
  std::size_t count = 0;
  for (; count < kMaxErrors; ++count) {
    const auto error = next_error(descriptor);
    if (!error) break;
    if (error->too_long_for_link) {
      tell_too_long(tag, id, error->to, error->info, moment);
    } else {
      server_.from_peer_error(moment, id, error->to, {error->type, error->code, error->info}, outbox_);
    }
  }
  // A full error queue leaves its mark on the socket alone, which would wake us for ever.
  if (count < kMaxErrors) clear_pending_error(descriptor);
  return count;
}

void UdpEngine::tell_too_long(std::uint64_t tag, const turn::RelayId& id, const Endpoint& to,
                              std::uint32_t mtu, Now moment) {
  // The kernel tells the address and the MTU but for IPv4 no port, and may have queued more than one entry
  // for a datagram: what failed is known from the sending.
  const bool v4 = id.family == IpFamily::V4;
  std::erase_if(too_long_, [&](const SendBatch::TooLong& one) {
    if (one.tag != tag || one.to.address != to.address) return false;
    const turn::IcmpError error{static_cast<std::uint8_t>(v4 ? 3 : 2), static_cast<std::uint8_t>(v4 ? 4 : 0),
                                mtu};
    server_.from_peer_error(moment, id, one.to, error, outbox_);
    return true;
  });
}

std::size_t UdpEngine::read_relay(std::uint64_t tag, Now moment) {
  turn::RelayId id;
  Relay* relay = find(tag, id);
  if (relay == nullptr) return 0;
  const auto batch = receive(relay->descriptor.get(), Source{id.family, tag, true}, relay->seen, moment);
  for (const Datagram& datagram : batch)
    server_.from_peer(moment, id, datagram.from, datagram.bytes, outbox_, datagram.tos);
  return batch.size();
}

std::optional<turn::RelayError> UdpEngine::open(const turn::OpenRelay& command) {
  using ::ts::turn::RelayError;
  RelaySocket socket = open_relay_socket(command.local, relay_buffer_bytes_);
  if (socket.error == EADDRINUSE) return RelayError::AddressInUse;
  if (socket.error != 0) return RelayError::NoResources;
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
  if (watch(relay.descriptor.get(), tag_of(id))) return true;
  relay.descriptor = Descriptor();
  return false;
}

Descriptor UdpEngine::release(const turn::RelayId& id) noexcept {
  Relay* relay = find(id);
  if (relay == nullptr) return Descriptor();
  ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, relay->descriptor.get(), nullptr);
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
  const SendBatch::Stats stats = sends_.flush();
  counters_.udp_sent_packets += stats.sent;
  counters_.udp_send_errors += stats.failed;
  counters_.udp_sent_in_trains += stats.in_trains;
  if (dtls_ != nullptr) dtls_->sent();
  for (const SendBatch::TooLong& one : sends_.too_long()) {
    if ((one.tag & kRelayTag) == 0) continue;
    if (too_long_.size() >= kMaxErrors) too_long_.clear();  // nobody will come for them any more
    too_long_.push_back(one);
  }
}

}  // namespace ts::net
