// SPDX-License-Identifier: Apache-2.0
// Whole sessions in the authenticated state: each frame of the input is a message whose attributes are the
// input's and whose credentials and integrity are ours, a datagram as it is, or an event. The mutator works
// on frames and attributes, so that what it makes still is a message.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "turn_fuzzing.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

using namespace ts;
using namespace ts::turn;
using namespace ts::turn::testing;

constexpr std::size_t kMaxFrames = 60;
constexpr std::size_t kFrameHeaderBytes = 3;

enum class Kind : std::uint8_t { Signed0, Signed1, Signed2, Signed3, Plain, Raw, Peer, Event };

/// One byte of control and two of length, then the body.
struct FuzzFrame {
  std::uint8_t control = 0;
  Bytes body;
  Kind kind() const { return static_cast<Kind>((control >> 2) & 7); }
  unsigned client() const { return control & 3U; }
  bool fingerprint() const { return (control & 0x20U) != 0; }
  /// The integrity covers less than what is sent: the last attribute goes behind it.
  bool tail() const { return (control & 0x40U) != 0; }
};

std::vector<FuzzFrame> read_frames(ByteView in) {
  std::vector<FuzzFrame> out;
  while (in.size() >= kFrameHeaderBytes && out.size() < kMaxFrames) {
    const std::size_t size = std::min<std::size_t>(load_be16(&in[1]), in.size() - kFrameHeaderBytes);
    const ByteView body = in.subspan(kFrameHeaderBytes, size);
    out.push_back({in[0], Bytes(body.begin(), body.end())});
    in = in.subspan(kFrameHeaderBytes + size);
  }
  return out;
}

Bytes write_frames(const std::vector<FuzzFrame>& frames) {
  Bytes out;
  for (const FuzzFrame& f : frames) {
    const std::size_t at = out.size();
    const std::size_t size = std::min<std::size_t>(f.body.size(), 0xFFFF);
    out.resize(at + kFrameHeaderBytes);
    out[at] = f.control;
    store_be16(&out[at + 1], static_cast<std::uint16_t>(size));
    out.insert(out.end(), f.body.begin(), f.body.begin() + static_cast<std::ptrdiff_t>(size));
  }
  return out;
}

class Session {
 public:
  Session()
      : world_(fuzz_options(), 1),
        clients_{Client(world_, "192.12.0.1:1", Transport::Udp),
                 Client(world_, "192.12.0.1:2", Transport::Tcp),
                 Client(world_, "192.12.0.1:1", Transport::Udp, "bob", "builder"),
                 Client(world_, "[2620:fe::7]:4", Transport::Tls, "bob", "builder")} {
    world_.keep_history = false;
  }

  void run(const std::vector<FuzzFrame>& frames) {
    for (const FuzzFrame& frame : frames) {
      step(frame);
      check();
    }
    world_.shut_down();
    check();
    world_.advance(std::chrono::seconds(31));
    world_.ledger.redeem({}, world_.now.mono);
    require(world_.gauges() == Gauges{}, "everything is free after shut_down");
  }

 private:
  void step(const FuzzFrame& frame) {
    Client& client = clients_[frame.client()];
    switch (frame.kind()) {
      case Kind::Raw: return world_.deliver(client.tuple, frame.body);
      case Kind::Peer:
        for (const auto& [id, socket] : std::map(world_.sockets)) {
          world_.peer_sends(socket.relay, ep("8.8.8.8:5000"), frame.body);
        }
        return;
      case Kind::Event: return event(client, frame.body);
      case Kind::Plain: {
        const Gauges before = world_.gauges();
        world_.deliver(client.tuple, message(client, frame, false));
        const Gauges after = world_.gauges();
        require(after.allocations <= before.allocations && after.permissions <= before.permissions &&
                    after.channels <= before.channels,
                "a message without integrity makes no state");
        return;
      }
      default: return world_.deliver(client.tuple, message(client, frame, true));
    }
  }

  void event(Client& client, const Bytes& body) {
    ByteReader in{ByteView(body)};
    switch (in.u8() % 4) {
      case 0: world_.advance(std::chrono::seconds(in.u16() % 4000)); return world_.tick();
      case 1: return world_.client_closed(client.tuple);
      case 2: return client.renew_nonce();
      default:
        if (!world_.sockets.empty()) world_.relay_broke(world_.sockets.begin()->second.relay);
    }
  }

  /// Type and attributes are the input's.
  static Bytes message(Client& client, const FuzzFrame& frame, bool is_signed) {
    ++client.transaction;
    Bytes out(stun::kHeaderBytes);
    if (frame.body.size() >= 2) std::copy_n(frame.body.begin(), 2, out.begin());
    store_be32(&out[4], stun::kMagicCookie);
    const stun::TransactionId id = client.id();
    std::copy(id.begin(), id.end(), out.begin() + 8);
    const std::size_t whole = std::max<std::size_t>(frame.body.size(), 2);
    const std::size_t tail = frame.tail() ? std::min<std::size_t>(8, whole - 2) : 0;
    const auto part = [&](std::size_t from, std::size_t to) {
      out.insert(out.end(), frame.body.begin() + static_cast<std::ptrdiff_t>(from),
                 frame.body.begin() + static_cast<std::ptrdiff_t>(to));
      out.resize(stun::padded(out.size()));
    };
    if (frame.body.size() > 2) part(2, whole - tail);
    if (is_signed) sign(client, out);
    if (tail != 0) part(whole - tail, whole);
    if (frame.fingerprint()) {
      store_be16(&out[2], static_cast<std::uint16_t>(out.size() + 8 - stun::kHeaderBytes));
      const std::uint32_t crc = stun::crc32(out) ^ stun::kFingerprintMask;
      out.insert(out.end(), {0x80, 0x28, 0, 4, 0, 0, 0, 0});
      store_be32(&out[out.size() - 4], crc);
    }
    store_be16(&out[2], static_cast<std::uint16_t>(out.size() - stun::kHeaderBytes));
    return out;
  }

  static void sign(const Client& client, Bytes& out) {
    Bytes credentials(2048);
    stun::MessageBuilder builder(credentials, stun::MessageClass::Request, Method::Allocate, {});
    builder.add(AttributeType::Username, client.username)
        .add(AttributeType::Realm, client.realm)
        .add(AttributeType::Nonce, client.nonce);
    const ByteView made = builder.finish().subspan(stun::kHeaderBytes);
    out.insert(out.end(), made.begin(), made.end());
    store_be16(&out[2], static_cast<std::uint16_t>(out.size() + 24 - stun::kHeaderBytes));
    const auto mac = client.key().sign({ByteView(out)});
    out.insert(out.end(), {0, 8, 0, 20});
    out.insert(out.end(), mac.begin(), mac.end());
  }

  void check() {
    const std::string broken = world_.broken_invariant();
    require(broken.empty(), broken.c_str());
    for (const SentToClient& sent : world_.to_clients) check_answer(sent);
    for (const SentToPeer& sent : world_.to_peers) {
      require(!(sent.peer.address == ip("10.0.0.1")) && !(sent.peer.address == ip("9.9.9.9")),
              "denied peers");
    }
    world_.to_clients.clear();
    world_.to_peers.clear();
  }

  void check_answer(const SentToClient& sent) const {
    if (sent.bytes[0] >= 0x40)
      return require(stun::parse_channel_data(sent.bytes).has_value(), "ChannelData");
    const auto parsed = stun::MessageView::parse(sent.bytes);
    require(parsed.has_value(), "answers parse");
    require(stun::fingerprint_absent_or_right(*parsed), "the fingerprint is right");
    require(parsed->message_class() != stun::MessageClass::Request, "the server asks nothing");
    if (parsed->message_class() == stun::MessageClass::ErrorResponse) {
      const int code = Answer{sent.bytes}.code();
      return require(code >= 300 && code < 700, "errors have a code");
    }
    if (parsed->message_class() != stun::MessageClass::SuccessResponse || parsed->method() == Method::Binding)
      return;
    require(std::any_of(std::begin(clients_), std::end(clients_),
                        [&](const Client& client) {
                          return client.tuple == sent.tuple && stun::verify_integrity(*parsed, client.key());
                        }),
            "a success is signed with a key of the five-tuple's");
  }

  World world_;
  Client clients_[4];
};

/// Makes new inputs of old ones, frame by frame and attribute by attribute.
class FrameMutator {
 public:
  FrameMutator(std::vector<FuzzFrame>& frames, unsigned seed) : frames_(frames), random_(seed) {}

  void change() {
    if (frames_.empty()) frames_.push_back(fresh());
    const std::size_t at = below(frames_.size());
    const auto place = frames_.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(10)) {
      case 0: frames_.insert(place, fresh()); break;
      case 1: frames_.erase(place); break;
      case 2: frames_.push_back(FuzzFrame(*place)); break;
      case 3: std::swap(*place, frames_[below(frames_.size())]); break;
      case 4: place->control = static_cast<std::uint8_t>(place->control ^ (1U << below(7))); break;
      case 5: mutate(place->body, 0); break;
      default:
        if (place->kind() <= Kind::Plain) return attributes(place->body);
        mutate(place->body, 0);
    }
  }

 private:
  struct Part {
    std::uint16_t type;
    Bytes value;
  };

  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void mutate(Bytes& bytes, std::size_t from) {
    const std::size_t size = bytes.size() - std::min(from, bytes.size());
    bytes.resize(from + size + 64);
    bytes.resize(from + LLVMFuzzerMutate(bytes.data() + from, size, size + 64));
  }

  void attributes(Bytes& body) {
    if (body.size() < 2) body = fresh().body;
    std::vector<Part> parts;
    for (std::size_t at = 2; at + 4 <= body.size();) {
      const std::size_t size = std::min<std::size_t>(load_be16(&body[at + 2]), body.size() - at - 4);
      parts.push_back(
          {load_be16(&body[at]), Bytes(body.begin() + static_cast<std::ptrdiff_t>(at + 4),
                                       body.begin() + static_cast<std::ptrdiff_t>(at + 4 + size))});
      at += 4 + stun::padded(size);
    }
    if (parts.empty()) parts.push_back(fresh_part());
    const std::size_t at = below(parts.size());
    const auto place = parts.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(7)) {
      case 0: parts.insert(place, fresh_part()); break;
      case 1: parts.erase(place); break;
      case 2: parts.push_back(Part(*place)); break;
      case 3: std::swap(*place, parts[below(parts.size())]); break;
      case 4: place->type = static_cast<std::uint16_t>(place->type ^ (1U << below(16))); break;
      case 5: store_be16(body.data(), fresh_type()); break;
      default: mutate(place->value, 0);
    }
    body.resize(2);
    for (const Part& part : parts) {
      const std::size_t start = body.size();
      body.resize(start + 4);
      store_be16(&body[start], part.type);
      store_be16(&body[start + 2], static_cast<std::uint16_t>(part.value.size()));
      body.insert(body.end(), part.value.begin(), part.value.end());
      body.resize(2 + stun::padded(body.size() - 2));
    }
  }

  std::uint16_t fresh_type() {
    static constexpr std::uint16_t kTypes[] = {0x0001, 0x0003, 0x0004, 0x0008, 0x0009, 0x000A,
                                               0x000B, 0x0016, 0x0011, 0x0017, 0x0103, 0x0113};
    return kTypes[below(std::size(kTypes))];
  }
  Part fresh_part() {
    static const Part kParts[] = {{0x0019, {17, 0, 0, 0}},
                                  {0x0019, {6, 0, 0, 0}},
                                  {0x000D, {0, 0, 0, 0}},
                                  {0x000D, {0, 0, 2, 0x58}},
                                  {0x0012, {0, 1, 0x32, 0x9A, 0x29, 0x1A, 0xAC, 0x4A}},  // 8.8.8.8:5000
                                  {0x0012, {0, 1, 0x21, 0x42, 0x2B, 0x12, 0xA4, 0x43}},  // 10.0.0.1:80
                                  {0x0012, {0, 1, 0xE2, 0x42, 0xE7, 0x3B, 0xA4, 0x46}},  // 198.41.0.4:50000
                                  {0x000C, {0x40, 0, 0, 0}},
                                  {0x000C, {0x40, 1, 0, 0}},
                                  {0x0013, {1, 2, 3}},
                                  {0x0017, {1, 0, 0, 0}},
                                  {0x0017, {2, 0, 0, 0}},
                                  {0x8000, {2, 0, 0, 0}},
                                  {0x0018, {0x80}},
                                  {0x0018, {0}},
                                  {0x001A, {}},
                                  {0x0022, {1, 2, 3, 4, 5, 6, 7, 8}},
                                  {0x8030, {}},
                                  {0x002A, {0, 0, 0, 1}},
                                  {0x0008, Bytes(20)},
                                  {0x001C, Bytes(32)},
                                  {0x8002, {0, 2, 0, 0, 0, 1, 0, 0}},
                                  {0x001D, {0, 2, 0, 0}},
                                  {0x001E, Bytes(32)}};
    return kParts[below(std::size(kParts))];
  }
  FuzzFrame fresh() {
    FuzzFrame out;
    out.control = static_cast<std::uint8_t>(random_());
    out.body.resize(2);
    store_be16(out.body.data(), fresh_type());
    for (std::size_t n = below(4); n > 0; --n) {
      const Part part = fresh_part();
      const std::size_t start = out.body.size();
      out.body.resize(start + 4);
      store_be16(&out.body[start], part.type);
      store_be16(&out.body[start + 2], static_cast<std::uint16_t>(part.value.size()));
      out.body.insert(out.body.end(), part.value.begin(), part.value.end());
      out.body.resize(2 + stun::padded(out.body.size() - 2));
    }
    return out;
  }

  std::vector<FuzzFrame>& frames_;
  std::minstd_rand random_;
};

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  std::vector<FuzzFrame> frames = read_frames(ByteView(data, size));
  FrameMutator mutator(frames, seed);
  for (unsigned n = 1 + seed % 3; n > 0; --n) mutator.change();
  const Bytes out = write_frames(frames);
  const std::size_t kept = std::min(out.size(), max_size);
  std::copy_n(out.begin(), kept, data);
  return kept;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Session().run(read_frames(ByteView(data, size)));
  return 0;
}
