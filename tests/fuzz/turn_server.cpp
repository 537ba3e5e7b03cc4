// SPDX-License-Identifier: Apache-2.0
// The whole turn::Server: op codes drive clients that know their passwords, raw bytes, peers, a shell whose
// relays fail, and time. Checked: answers parse and are signed, transmits are right, nothing leaks at the
// end.
#include <cstdio>
#include <cstdlib>

#include "turn_fuzzing.hpp"

namespace {

using namespace ts;
using namespace ts::turn;
using namespace ts::turn::testing;

class Fuzz {
 public:
  explicit Fuzz(ByteView data)
      : in_(data),
        world_(fuzz_options(), 1),
        clients_{Client(world_, "192.12.0.1:1", Transport::Udp),
                 Client(world_, "192.12.0.1:2", Transport::Tcp),
                 Client(world_, "192.12.0.1:1", Transport::Udp, "bob", "builder"),
                 Client(world_, "[2620:fe::7]:4", Transport::Tls, "bob", "builder")} {
    world_.keep_history = false;
    world_.opener = [this](const OpenRelay&) -> std::optional<RelayError> {
      if (failures_ == 0) return std::nullopt;
      --failures_;
      return failure_;
    };
  }

  void run() {
    for (int ops = 0; ops < 400 && in_.remaining() > 0; ++ops) {
      op();
      check();
    }
    world_.hold_opens = false;
    world_.shut_down();
    world_.answer_opens();
    check();
    world_.advance(std::chrono::seconds(31));
    world_.ledger.redeem({}, world_.now.mono);
    require(world_.gauges() == Gauges{}, "everything is free after shut_down");
    for (int i = 0; i < 3; ++i) require(!world_.ledger.admit("alice"), "the quota is free after shut_down");
  }

 private:
  Endpoint endpoint() {
    static const Endpoint known[] = {ep("8.8.8.8:5000"),     ep("8.8.8.8:5001"),    ep("9.9.9.9:53"),
                                     ep("10.0.0.1:80"),      ep("198.41.0.4:3478"), ep("198.41.0.4:50002"),
                                     ep("[2620:fe::fe]:53"), ep("1.1.1.1:53")};
    const std::uint8_t which = in_.u8();
    if (which < 0xF0) return known[which % std::size(known)];
    return Endpoint{IpAddress::from_bytes(in_.bytes(which < 0xF8 ? 4 : 16)), in_.u16()};
  }
  ByteView blob() { return in_.bytes(std::min<std::size_t>(in_.u8(), in_.remaining())); }

  void attributes(stun::MessageBuilder& b) {
    for (std::uint8_t n = in_.u8() % 8; n > 0; --n) {
      switch (in_.u8() % 10) {
        case 0: Client::requested_transport(b); break;
        case 1: b.add_u32(AttributeType::Lifetime, in_.u8() % 2 == 0 ? in_.u8() : in_.u32()); break;
        case 2: b.add_xor_address(AttributeType::XorPeerAddress, endpoint()); break;
        case 3: b.add_channel_number(static_cast<std::uint16_t>(0x3FFF + in_.u8() % 6)); break;
        case 4: b.add(AttributeType::EvenPort, ByteView(std::array{in_.u8()})); break;
        case 5: b.add(AttributeType::ReservationToken, ByteView(token_)); break;
        case 6: Client::address_family(b, in_.u8() % 4); break;
        case 7: b.add_u32(AttributeType::AdditionalAddressFamily, std::uint32_t{in_.u8()} << 24); break;
        case 8: b.add(AttributeType::Data, blob()); break;
        default: {
          const auto type = static_cast<AttributeType>(in_.u16());
          b.add(type, blob());
        }
      }
    }
  }

  void op() {
    static constexpr Method kMethods[] = {Method::Allocate, Method::Refresh, Method::CreatePermission,
                                          Method::ChannelBind};
    Client& client = clients_[in_.u8() % std::size(clients_)];
    switch (in_.u8() % 16) {
      case 0: return world_.deliver(client.tuple, blob());
      case 1:
      case 2: {
        const Method method = kMethods[in_.u8() % std::size(kMethods)];
        return world_.deliver(client.tuple, last_ = client.make(method, [&](auto& b) { attributes(b); }));
      }
      case 3: client.allocate([&](auto& b) { attributes(b); }); return;
      case 4: client.permit({endpoint(), endpoint()}); return;
      case 5: client.bind(static_cast<std::uint16_t>(0x4000 + in_.u8() % 4), endpoint()); return;
      case 6: client.refresh(in_.u8() % 2 == 0 ? 0 : in_.u16()); return;
      case 7: return client.send_indication(endpoint(), blob(), in_.u8() % 2 == 0);
      case 8: return client.send_channel(static_cast<std::uint16_t>(0x4000 + in_.u8() % 4), blob());
      case 9:
        for (const auto& [id, socket] : std::map(world_.sockets))
          world_.peer_sends(socket.relay, endpoint(), blob());
        return;
      case 10: return world_.advance(std::chrono::nanoseconds(std::uint64_t{in_.u32()} << (in_.u8() % 10)));
      case 11: return world_.tick();
      case 12:
        failures_ = in_.u8() % 10;
        failure_ = static_cast<RelayError>(in_.u8() % 3);
        world_.hold_opens = in_.u8() % 2 == 0;
        return;
      case 13: return world_.answer_opens();
      case 14:
        if (in_.u8() % 2 == 0) return world_.client_closed(client.tuple);
        if (!world_.sockets.empty()) world_.relay_broke(world_.sockets.begin()->second.relay);
        return;
      default: return again_or_indication(client);
    }
  }

  void again_or_indication(Client& client) {
    switch (in_.u8() % 3) {
      case 0: return client.renew_nonce();
      case 1: {  // the last signed message once more, with a byte changed
        if (last_.empty()) return;
        const std::size_t at = in_.u16() % last_.size();
        last_[at] = static_cast<std::uint8_t>(last_[at] ^ in_.u8());
        return world_.deliver(client.tuple, last_);
      }
      default: {
        const auto message_class = static_cast<stun::MessageClass>(in_.u8() % 4);
        const auto method = static_cast<Method>(in_.u8() % 16);
        const Gauges before = world_.gauges();
        world_.deliver(client.tuple,
                       client.make_plain(message_class, method, [&](auto& b) { attributes(b); }));
        require(world_.gauges().allocations <= before.allocations &&
                    world_.gauges().sockets <= before.sockets &&
                    world_.gauges().permissions <= before.permissions,
                "a message without credentials makes no state");
      }
    }
  }

  /// With any suite of the client's (RFC 8489 §9.2.2).
  static bool signed_by(const Client& client, const stun::MessageView& message) {
    using auth::Mac;
    using auth::PasswordAlgorithm;
    const auth::LongTermKeys keys(client.username, client.realm, client.password);
    return keys.key(PasswordAlgorithm::Md5, Mac::Sha1).verify(message) ||
           keys.key(PasswordAlgorithm::Md5, Mac::Sha256).verify(message) ||
           keys.key(PasswordAlgorithm::Sha256, Mac::Sha256).verify(message);
  }

  void check() {
    const std::string broken = world_.broken_invariant();
    require(broken.empty(), broken.c_str());
    for (const SentToClient& sent : world_.to_clients) {
      if (sent.bytes[0] >= 0x40) {
        require(stun::parse_channel_data(sent.bytes).has_value(), "ChannelData parses");
        continue;
      }
      const auto parsed = stun::MessageView::parse(sent.bytes);
      require(parsed.has_value(), "answers parse");
      require(stun::fingerprint_absent_or_right(*parsed), "the fingerprint is right");
      const Answer answer{sent.bytes};
      if (const auto token = answer.attribute(AttributeType::ReservationToken)) {
        std::copy(token->begin(), token->end(), token_.begin());
      }
      if (parsed->message_class() != stun::MessageClass::SuccessResponse) continue;
      if (parsed->method() == Method::Binding) continue;
      bool is_signed = false;
      for (const Client& client : clients_) {
        is_signed = is_signed || (client.tuple == sent.tuple && signed_by(client, *parsed));
      }
      require(is_signed, "a success is signed with a key of the five-tuple's");
    }
    for (const SentToPeer& sent : world_.to_peers) {
      require(!(sent.peer.address == ip("10.0.0.1")) && !(sent.peer.address == ip("9.9.9.9")),
              "denied peers");
      require(!(sent.peer == ep("198.41.0.4:3478")), "own endpoints");
    }
    world_.to_clients.clear();
    world_.to_peers.clear();
  }

  ByteReader in_;
  World world_;
  Client clients_[4];
  std::array<std::uint8_t, 8> token_{};
  Bytes last_;
  int failures_ = 0;
  RelayError failure_ = RelayError::AddressInUse;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Fuzz(ByteView(data, size)).run();
  return 0;
}
