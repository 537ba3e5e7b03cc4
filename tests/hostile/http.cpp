// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <string>

#include "pipe.hpp"
#include "storm.hpp"

namespace ts::hostile {

namespace {

constexpr const char* kUpgrade =
    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A request, and how many answers of 200 it may get: a second one would answer what stands in a body.
struct Shape {
  std::string text;
  int most_good = 1;
};

std::vector<Shape> shapes(Random& random) {
  const std::string inner = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string long_name(1 + random.below(60'000), 'x');
  return {
      {"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n" +
           inner,
       0},
      {"POST /turn HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner, 0},
      {"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 36\r\n\r\n" + inner, 0},
      {"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n" + inner, 0},
      {"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n" + inner, 0},
      {"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length : 36\r\n\r\n" + inner, 0},
      {"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + inner,
       1},
      {"GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n", 1},
      {"GET /healthz HTTP/1.1\nHost: a\n\n", 1},
      {"GET /" + long_name + " HTTP/1.1\r\nHost: a\r\n\r\n", 0},
      {"GET /healthz HTTP/1.1\r\nHost: a\r\nX-" + long_name + ": y\r\n\r\n", 1},
      {"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + std::string("a\0b", 3) + "\r\n\r\n", 1},
      {"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 0},
      {"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 0},
      {"GET http://elsewhere/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 1},
      {"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n", 1},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
      {"CONNECT elsewhere:443 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
      {"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 0},
      {"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n"
       "Sec-WebSocket-Version: 12\r\n\r\n",
       0},
      {"GET /turn?service=turn&username=" + long_name.substr(0, 2000) + " HTTP/1.1\r\nHost: a\r\n\r\n", 1},
      {inner + inner + inner + inner, 4},
      {kUpgrade, 0},
  };
}

std::string frame(Random& random) {
  static const std::string kTexts[] = {
      R"({"type":"hello","id":"a"})", R"({"type":"join","room":"r"})", R"({"type":"send","to":"a","data":)",
      std::string(5000, '['),         "{\"type\":\"\xFF\xFE\"}",       "{}"};
  const std::string text = random.percent(70) ? std::string(random.pick(kTexts)) : [&] {
    const Bytes noise = random.bytes(random.below(200));
    return std::string(noise.begin(), noise.end());
  }();
  std::string out;
  out += static_cast<char>(random.percent(70) ? 0x81 : random.byte());
  const bool masked = random.percent(90);
  const auto mask_bit = static_cast<unsigned>(masked ? 0x80 : 0);
  if (random.percent(10)) {
    out += static_cast<char>(mask_bit | 127U);
    for (int i = 0; i < 8; ++i) out += static_cast<char>(random.byte());
  } else if (text.size() < 126) {
    out += static_cast<char>(mask_bit | text.size());
  } else {
    out += static_cast<char>(mask_bit | 126U);
    out += static_cast<char>(text.size() >> 8);
    out += static_cast<char>(text.size() & 0xFF);
  }
  if (masked) out += std::string(4, '\0');
  return out + text;
}

void damage(Random& random, std::string& text) {
  for (std::size_t n = 1 + random.below(4); n > 0 && !text.empty(); --n) {
    text[random.below(text.size())] = static_cast<char>(random.byte());
  }
  // It shall stay what the first byte says: HTTP.
  text[0] = static_cast<char>('A' + random.below(26));
}

/// What comes back is HTTP, and no more answers of 200 than there may be.
void judge(Storm& storm, Pipe& pipe, const Shape& shape, bool damaged) {
  std::string got;
  for (int i = 0; i < 40 && got.size() < 200'000; ++i) {
    const auto part = pipe.read(i == 0 ? 40 : 5);
    if (!part) break;
    if (part->empty() && i > 0) break;
    got.append(part->begin(), part->end());
  }
  if (got.empty()) return;
  ++storm.answers;
  if (!got.starts_with("HTTP/1.")) storm.fail("HTTP: an answer that is none: " + got.substr(0, 100));
  int good = 0;
  for (std::size_t at = 0; (at = got.find("HTTP/1.1 200", at)) != std::string::npos; ++at) ++good;
  storm.successes += static_cast<std::uint64_t>(good);
  if (!damaged && good > shape.most_good)
    storm.fail("HTTP: too many answers to " + shape.text.substr(0, 200));
}

}  // namespace

void attack_http(Storm& storm, unsigned index, std::uint64_t requests) {
  Random random(mix64(storm.seed, 0x477B0000U + index));
  for (std::uint64_t i = 0; i < requests && !storm.failed(); ++i) {
    const bool tls = random.percent(10);
    const std::uint16_t port = tls                  ? storm.ports.tls
                               : random.percent(80) ? storm.ports.http
                                                    : storm.ports.turn;
    Pipe pipe(tls ? Via::Tls : Via::Tcp, port);
    if (!pipe.ok()) return storm.fail("HTTP: no connection");
    const std::vector<Shape> all = shapes(random);
    Shape shape = random.percent(20) ? all.back() : random.pick(all);
    const bool damaged = random.percent(20);
    if (damaged) damage(random, shape.text);
    const std::size_t cut = random.percent(30) ? random.below(shape.text.size()) : shape.text.size();
    pipe.write(as_bytes(std::string_view(shape.text).substr(0, cut)));
    pipe.write(as_bytes(std::string_view(shape.text).substr(cut)));
    ++storm.http_requests;
    ++storm.connections;
    if (shape.text.starts_with("GET /ws") || random.percent(5)) {
      for (std::size_t n = random.below(8); n > 0; --n) pipe.write(as_bytes(frame(random)));
    }
    if (random.percent(70)) judge(storm, pipe, shape, damaged);
    if (random.percent(20)) pipe.reset_on_close();
  }
}

}  // namespace ts::hostile
