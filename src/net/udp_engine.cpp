// SPDX-License-Identifier: Apache-2.0
#include "udp_engine.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <sys/epoll.h>

#include <turnstone/net/clock.hpp>

namespace ts::net {
namespace {

static_assert(ReceiveBatch::kHeadroomBytes >= turn::kHeadroomBytes);
static_assert(ReceiveBatch::kTailroomBytes >= turn::kTailroomBytes);

/// What an epoll event names: a listener by index, or a relay socket by slot index, family and generation.
/// The generation tells events of a closed socket from those of its successor in the same slot.
constexpr std::uint64_t kRelayTag = std::uint64_t{1} << 63;
constexpr std::uint64_t kV6Tag = std::uint64_t{1} << 62;
constexpr std::uint32_t kGenerationMask = (1U << 30) - 1;

std::uint64_t tag_of(const turn::RelayId& relay) noexcept {
  return kRelayTag | (relay.family == IpFamily::V6 ? kV6Tag : 0) |
         (std::uint64_t{relay.allocation.generation & kGenerationMask} << 32) | relay.allocation.index;
}

std::size_t family_index(IpFamily family) noexcept { return family == IpFamily::V4 ? 0 : 1; }

int make_epoll() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
  return descriptor;
}

/// Turns in which so few datagrams came end at once; busier ones look again before they go back to Asio.
constexpr std::size_t kBusyDatagrams = 4;
/// Rounds of one turn at most, so that streams and timers of the shard get their share.
constexpr int kMaxRounds = 16;

}  // namespace

UdpEngine::UdpEngine(boost::asio::io_context& context, std::vector<BoundSocket> listeners,
                     std::uint32_t relay_buffer_bytes, turn::Server& server, turn::Outbox& outbox,
                     Counters& counters, std::function<void()> flush)
    : epoll_(context, make_epoll()),
      listeners_(std::move(listeners)),
      relay_buffer_bytes_(relay_buffer_bytes),
      server_(server),
      outbox_(outbox),
      counters_(counters),
      flush_(std::move(flush)) {
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
  std::array<epoll_event, 64> events;
  for (int round = 0; round < kMaxRounds; ++round) {
    const int ready = ::epoll_wait(epoll_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
    if (ready <= 0) return;
    const Now moment = now();
    std::size_t datagrams = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(ready); ++i) {
      if (!received_.has_room()) {
        flush_();
        received_.recycle();
      }
      const std::uint64_t tag = events[i].data.u64;
      datagrams += (tag & kRelayTag) != 0 ? read_relay(tag, moment) : read_listener(tag, moment);
    }
    flush_();
    received_.recycle();
    if (datagrams < kBusyDatagrams) return;
  }
}

std::size_t UdpEngine::read_listener(std::size_t index, Now moment) {
  const BoundSocket& listener = listeners_[index];
  const bool wildcard = listener.local.address.is_unspecified();
  const auto batch = received_.receive(listener.descriptor.get(), wildcard);
  ::ts::turn::Inbound in;
  in.route = index;
  for (const Datagram& datagram : batch) {
    in.tuple.client = datagram.from;
    in.tuple.server = Endpoint{datagram.to.value_or(listener.local.address), listener.local.port};
    in.bytes = datagram.bytes;
    server_.from_client(moment, in, outbox_);
  }
  ++counters_.udp_receive_batches;
  counters_.udp_received_packets += batch.size();
  return batch.size();
}

std::size_t UdpEngine::read_relay(std::uint64_t tag, Now moment) {
  const auto index = static_cast<std::uint32_t>(tag);
  const IpFamily family = (tag & kV6Tag) != 0 ? IpFamily::V6 : IpFamily::V4;
  if (index >= relays_.size()) return 0;
  const Relay& relay = relays_[index][family_index(family)];
  if (!relay.descriptor || (relay.generation & kGenerationMask) != ((tag >> 32) & kGenerationMask)) return 0;
  const turn::RelayId id{SlotHandle{index, relay.generation}, family};
  const auto batch = received_.receive(relay.descriptor.get(), false);
  for (const Datagram& datagram : batch)
    server_.from_peer(moment, id, datagram.from, datagram.bytes, outbox_);
  ++counters_.udp_receive_batches;
  counters_.udp_received_packets += batch.size();
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
  if (watch(relay.descriptor.get(), tag_of(id))) return true;
  relay.descriptor = Descriptor();
  return false;
}

Descriptor UdpEngine::release(const turn::RelayId& id) noexcept {
  Relay* relay = find(id);
  if (relay == nullptr) return Descriptor();
  ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, relay->descriptor.get(), nullptr);
  // The next owner takes it as open_relay_socket() makes it.
  if (relay->dont_fragment) set_dont_fragment(relay->descriptor.get(), id.family, false);
  return std::move(relay->descriptor);
}

UdpEngine::Relay* UdpEngine::find(const turn::RelayId& relay) noexcept {
  if (relay.allocation.index >= relays_.size()) return nullptr;
  Relay& found = relays_[relay.allocation.index][family_index(relay.family)];
  return found.descriptor && found.generation == relay.allocation.generation ? &found : nullptr;
}

void UdpEngine::close(const turn::RelayId& relay) noexcept {
  if (Relay* found = find(relay)) found->descriptor = Descriptor();
}

const BoundSocket& UdpEngine::source_of(const turn::ToClient& transmit) const noexcept {
  const BoundSocket& asked = listeners_[transmit.route];
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
  const BoundSocket& listener = source_of(transmit);
  const bool wildcard = listener.local.address.is_unspecified();
  sends_.add(listener.descriptor.get(), transmit.tuple.client,
             wildcard ? std::optional(transmit.tuple.server.address) : std::nullopt, transmit.bytes);
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
  sends_.add(relay->descriptor.get(), transmit.peer, std::nullopt, transmit.bytes);
}

void UdpEngine::send_queued() noexcept {
  const SendBatch::Stats stats = sends_.flush();
  counters_.udp_sent_packets += stats.sent;
  counters_.udp_send_errors += stats.failed;
}

}  // namespace ts::net
