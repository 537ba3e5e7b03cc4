// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include <sys/socket.h>

#include "pipe.hpp"
#include "storm.hpp"

namespace ts::hostile {

namespace {

constexpr std::uint64_t kMessagesPerConnection = 150;
constexpr int kPatienceMilliseconds = 10'000;

/// What came on a stream, frame by frame.
class Frames {
 public:
  Frames(Storm& storm, const char* where) : storm_(storm), where_(where) {}

  /// `sent`: all that went out on the connection; an answer's id must be in it.
  void take(ByteView bytes, ByteView sent) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    std::size_t used = 0;
    while (true) {
      const std::ptrdiff_t size = frame_size(ByteView(buffer_).subspan(used));
      if (size < 0) storm_.fail(std::string(where_) + ": the server's stream has no frames");
      if (size <= 0) break;
      one(ByteView(buffer_).subspan(used, static_cast<std::size_t>(size)), sent);
      used += static_cast<std::size_t>(size);
    }
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(used));
  }

  Challenge challenge;
  std::uint64_t last_binding = 0;

 private:
  void one(ByteView frame, ByteView sent) {
    Answer answer = read_answer(frame, storm_.target, true);
    if (answer.wrong.empty() && !answer.channel_data && !answer.indication &&
        std::search(sent.begin(), sent.end(), answer.id.begin(), answer.id.end()) == sent.end())
      answer.wrong = "an answer to nothing";
    storm_.judge(answer, frame, where_);
    if (!answer.challenge.nonce.empty()) challenge = answer.challenge;
    if (answer.success && answer.method == 1) last_binding = load_be64(&answer.id[4]);
  }

  Storm& storm_;
  const char* where_;
  Bytes buffer_;
};

/// One connection's life.
class Connection {
 public:
  Connection(Storm& storm, Generator& generator, Via via, std::uint16_t port, Challenge& challenge)
      : generator_(generator),
        challenge_(challenge),
        pipe_(via, port),
        frames_(storm, via == Via::Tls ? "TLS" : "TCP"),
        storm_(storm) {}

  /// Sends so many messages; how many were taken is counted by the caller.
  void run(std::uint64_t count) {
    if (!pipe_.ok()) return storm_.fail("no connection");
    Random& random = generator_.random();
    const bool framed = !random.percent(10);
    Bytes out;
    for (std::uint64_t i = 0; i < count; ++i) {
      const Bytes message = generator_.next(challenge_, framed);
      out.insert(out.end(), message.begin(), message.end());
      // Some go alone, some together.
      if (i + 1 < count && !random.percent(20)) continue;
      if (!send_in_parts(out)) return finish();
      out.clear();
      collect(0);
    }
    if (framed) expect_alive();
    finish();
  }

 private:
  bool send_in_parts(ByteView bytes) {
    sent_.insert(sent_.end(), bytes.begin(), bytes.end());
    Random& random = generator_.random();
    while (!bytes.empty()) {
      std::size_t part = bytes.size();
      if (random.percent(50)) part = 1 + random.below(bytes.size());
      if (random.percent(3)) part = 1;
      if (!pipe_.write(bytes.first(part))) return false;
      bytes = bytes.subspan(part);
    }
    return true;
  }

  bool collect(int milliseconds) {
    while (true) {
      const auto got = pipe_.read(milliseconds);
      if (!got) return false;
      if (got->empty()) return true;
      frames_.take(*got, sent_);
      if (!frames_.challenge.nonce.empty()) challenge_ = frames_.challenge;
      milliseconds = 0;
    }
  }

  /// All that went out had its frames: the stream still speaks, or has been closed.
  void expect_alive() {
    const std::uint64_t id = 0xA11FE00000000000U + (generator_.random().next() & 0xFFFF'FFFFU);
    if (!send_in_parts(Generator::binding(id))) return;
    for (int waited = 0; waited < kPatienceMilliseconds; waited += 100) {
      if (!collect(100) || frames_.last_binding == id) return;
    }
    storm_.fail("a stream neither answers nor ends; sent: " +
                hex_of(ByteView(sent_).last(std::min<std::size_t>(sent_.size(), 4000))));
  }

  void finish() {
    switch (generator_.random().below(5)) {
      case 0: return pipe_.reset_on_close();
      case 1:
        pipe_.half_close();
        collect(50);
        return;
      case 2: return pipe_.close_tls();
      case 3: pipe_.write_raw(generator_.random().bytes(40)); return;
      default: return;
    }
  }

  Generator& generator_;
  Challenge& challenge_;
  Pipe pipe_;
  Frames frames_;
  Storm& storm_;
  Bytes sent_;
};

std::uint16_t port_for(const Storm& storm, bool tls, Random& random) {
  // Every stream port speaks everything.
  if (tls) return random.percent(80) ? storm.ports.tls : storm.ports.turn;
  return random.percent(80) ? storm.ports.turn : storm.ports.http;
}

}  // namespace

void attack_streams(Storm& storm, unsigned index, std::uint64_t messages, bool tls) {
  Generator generator(storm.target, mix64(storm.seed, 0x57EA0000U + index));
  Challenge challenge;
  while (messages > 0 && !storm.failed()) {
    const std::uint64_t count = std::min(messages, 1 + generator.random().below(2 * kMessagesPerConnection));
    const std::uint16_t port = port_for(storm, tls, generator.random());
    Connection(storm, generator, tls ? Via::Tls : Via::Tcp, port, challenge).run(count);
    messages -= count;
    (tls ? storm.tls_messages : storm.tcp_messages) += count;
    ++storm.connections;
  }
}

void split_everywhere(Storm& storm, bool tls) {
  Pipe pipe(tls ? Via::Tls : Via::Tcp, tls ? storm.ports.tls : storm.ports.turn);
  Frames frames(storm, "split");
  Bytes sent;
  Bytes message = Generator::binding(0);
  for (std::size_t cut = 1; cut < message.size() && pipe.ok() && !storm.failed(); ++cut) {
    message = Generator::binding(0x5917000000000000U + cut);
    sent.insert(sent.end(), message.begin(), message.end());
    bool open = pipe.write(ByteView(message).first(cut)) && pipe.write(ByteView(message).subspan(cut));
    for (int i = 0; i < 100 && open && frames.last_binding != 0x5917000000000000U + cut; ++i) {
      const auto got = pipe.read(100);
      open = got.has_value();
      if (got) frames.take(*got, sent);
    }
    if (frames.last_binding != 0x5917000000000000U + cut)
      storm.fail("no answer to a message cut behind byte " + std::to_string(cut));
  }
}

void attack_handshakes(Storm& storm, unsigned index, std::uint64_t connections) {
  Random random(mix64(storm.seed, 0x7150000U + index));
  for (std::uint64_t i = 0; i < connections && !storm.failed(); ++i) {
    Pipe pipe(Via::Tcp, random.percent(80) ? storm.ports.tls : storm.ports.turn);
    Bytes hello = client_hello(false);
    switch (random.below(6)) {
      case 0: hello.resize(random.below(hello.size())); break;
      case 1:
        for (std::size_t n = 1 + random.below(6); n > 0; --n)
          hello[random.below(hello.size())] = random.byte();
        break;
      case 2: hello[3 + random.below(2)] = random.byte(); break;  // the record's length
      case 3: {
        const Bytes more = random.bytes(random.below(4000));
        hello.insert(hello.end(), more.begin(), more.end());
        break;
      }
      case 4:
        hello = random.bytes(1 + random.below(300));
        hello[0] = static_cast<std::uint8_t>(20 + random.below(5));
        break;
      default: break;  // a right one, and then nothing
    }
    const std::size_t cut = random.percent(50) ? random.below(hello.size() + 1) : hello.size();
    pipe.write(ByteView(hello).first(cut));
    pipe.write(ByteView(hello).subspan(cut));
    if (random.percent(60)) pipe.read(20);
    if (random.percent(50)) pipe.write(random.bytes(random.below(200)));
    if (random.percent(30)) pipe.reset_on_close();
    ++storm.connections;
  }
}

void attack_dtls(Storm& storm, unsigned index, std::uint64_t messages) {
  Generator generator(storm.target, mix64(storm.seed, 0xD7150000U + index));
  Random& random = generator.random();
  Challenge challenge;
  while (messages > 0 && !storm.failed()) {
    if (random.percent(60)) {  // records that no handshake wants
      const load::Fd socket = load::udp_socket({IpAddress::v4(127, 0, 0, 1), 0});
      load::connect_udp(socket, {IpAddress::v4(127, 0, 0, 1), storm.ports.dtls});
      for (int i = 0; i < 20; ++i) {
        Bytes hello = client_hello(true);
        if (random.percent(70)) hello[random.below(hello.size())] = random.byte();
        if (random.percent(20)) hello.resize(random.below(hello.size()));
        if (random.percent(10))
          hello = random.bytes(13 + random.below(200)), hello[0] = 20 + random.byte() % 44;
        if (send(socket.get(), hello.data(), hello.size(), 0) < 0) break;
        ++storm.dtls_messages;
        if (messages > 0) --messages;
      }
      continue;
    }
    Pipe pipe(Via::Dtls, storm.ports.dtls);
    if (!pipe.ok()) {
      storm.fail("no DTLS handshake");
      return;
    }
    ++storm.connections;
    for (int i = 0; i < 100 && messages > 0; ++i, --messages) {
      Bytes message = generator.next(challenge, false);
      message.resize(std::min<std::size_t>(message.size(), 1100));
      if (!pipe.write(message)) break;
      ++storm.dtls_messages;
      for (auto got = pipe.read(0); got && !got->empty(); got = pipe.read(0)) {
        const Answer answer = read_answer(*got, storm.target, false);
        storm.judge(answer, *got, "DTLS");
        if (!answer.challenge.nonce.empty()) challenge = answer.challenge;
      }
    }
    if (random.percent(50)) pipe.close_tls();
  }
}

void attack_with_silence(Storm& storm, unsigned connections) {
  std::vector<std::unique_ptr<Pipe>> silent;
  while (!storm.over && !storm.failed()) {
    if (silent.size() == connections) silent.erase(silent.begin());
    silent.push_back(
        std::make_unique<Pipe>(Via::Tcp, silent.size() % 2 == 0 ? storm.ports.turn : storm.ports.tls));
    ++storm.connections;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace ts::hostile
