// SPDX-License-Identifier: Apache-2.0
// What a STUN message costs: decoding, signing and verifying (against libcrypto's one-shot HMAC), the
// checksum, building a response.
#include <array>
#include <vector>

#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <turnstone/stun/attributes.hpp>
#include <turnstone/stun/builder.hpp>
#include <turnstone/stun/channel_data.hpp>
#include <turnstone/stun/integrity.hpp>

namespace {

using namespace ts;
using namespace ts::stun;
using A = AttributeType;

constexpr TransactionId kId{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
constexpr std::string_view kNonce = "a nonce of a plausible size, 44 bytes long..";

std::vector<std::uint8_t> binding_request() {
  std::array<std::uint8_t, 128> out;
  MessageBuilder builder(out, MessageClass::Request, Method::Binding, kId);
  const ByteView bytes = builder.finish();
  return {bytes.begin(), bytes.end()};
}

Md5Digest long_term_key() {
  return md5({as_bytes("user"), as_bytes(":"), as_bytes("example.org"), as_bytes(":"), as_bytes("password")});
}

template <class Key>
std::vector<std::uint8_t> allocate_request() {
  std::array<std::uint8_t, 512> out;
  MessageBuilder builder(out, MessageClass::Request, Method::Allocate, kId);
  const ByteView bytes = builder.add_u32(A::RequestedTransport, std::uint32_t{kTransportUdp} << 24)
                             .add_u32(A::Lifetime, 600)
                             .add(A::Username, "1700000000:user")
                             .add(A::Realm, "example.org")
                             .add(A::Nonce, kNonce)
                             .add_integrity(Key(long_term_key()))
                             .finish();
  return {bytes.begin(), bytes.end()};
}

void decode_binding_request(benchmark::State& state) {
  const auto bytes = binding_request();
  for (auto _ : state) {
    const auto message = MessageView::parse(bytes);
    benchmark::DoNotOptimize(message->method());
  }
}
BENCHMARK(decode_binding_request);

void decode_allocate_request(benchmark::State& state) {
  const auto bytes = allocate_request<HmacSha1Key>();
  for (auto _ : state) {
    const auto message = MessageView::parse(bytes);
    benchmark::DoNotOptimize(message->find(A::Username)->data());
    benchmark::DoNotOptimize(message->find(A::Realm)->data());
    benchmark::DoNotOptimize(message->find(A::Nonce)->data());
    benchmark::DoNotOptimize(decode_requested_transport(*message->find(A::RequestedTransport)));
    benchmark::DoNotOptimize(decode_u32(*message->find(A::Lifetime)));
    benchmark::DoNotOptimize(message->find(A::EvenPort).has_value());
  }
  state.counters["bytes"] = static_cast<double>(bytes.size());
}
BENCHMARK(decode_allocate_request);

template <class Key>
void verify_prepared(benchmark::State& state) {
  const auto bytes = allocate_request<Key>();
  const auto message = MessageView::parse(bytes);
  const Key key(long_term_key());
  for (auto _ : state) benchmark::DoNotOptimize(verify_integrity(*message, key));
}
BENCHMARK(verify_prepared<HmacSha1Key>)->Name("verify_sha1_prepared_key");
BENCHMARK(verify_prepared<HmacSha256Key>)->Name("verify_sha256_prepared_key");

template <class Key>
void verify_fresh(benchmark::State& state) {
  const auto bytes = allocate_request<Key>();
  const auto message = MessageView::parse(bytes);
  const Md5Digest secret = long_term_key();
  for (auto _ : state) benchmark::DoNotOptimize(verify_integrity(*message, Key(secret)));
}
BENCHMARK(verify_fresh<HmacSha1Key>)->Name("verify_sha1_key_prepared_each_time");
BENCHMARK(verify_fresh<HmacSha256Key>)->Name("verify_sha256_key_prepared_each_time");

/// The same covered bytes by libcrypto's HMAC(), which makes its contexts in each call.
template <class Key>
void one_shot(benchmark::State& state, const EVP_MD* digest, std::size_t attribute_bytes) {
  const auto bytes = allocate_request<Key>();
  const Md5Digest secret = long_term_key();
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> mac;
  unsigned size = 0;
  for (auto _ : state) {
    HMAC(digest, secret.data(), static_cast<int>(secret.size()), bytes.data(), bytes.size() - attribute_bytes,
         mac.data(), &size);
    benchmark::DoNotOptimize(equal_constant_time(ByteView(mac).first(size), ByteView(bytes).last(size)));
  }
}
void one_shot_sha1(benchmark::State& state) { one_shot<HmacSha1Key>(state, EVP_sha1(), 24); }
void one_shot_sha256(benchmark::State& state) { one_shot<HmacSha256Key>(state, EVP_sha256(), 36); }
BENCHMARK(one_shot_sha1)->Name("verify_sha1_openssl_one_shot");
BENCHMARK(one_shot_sha256)->Name("verify_sha256_openssl_one_shot");

void crc(benchmark::State& state) {
  const std::vector<std::uint8_t> bytes(static_cast<std::size_t>(state.range(0)), 0x5A);
  for (auto _ : state) benchmark::DoNotOptimize(crc32(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(crc)->Name("crc32")->Arg(100)->Arg(1200);

void build_binding_response(benchmark::State& state) {
  std::array<std::uint8_t, 128> out;
  const Endpoint client{IpAddress::v4(192, 0, 2, 1), 49'152};
  for (auto _ : state) {
    MessageBuilder builder(out, MessageClass::SuccessResponse, Method::Binding, kId);
    benchmark::DoNotOptimize(builder.add_xor_address(A::XorMappedAddress, client).finish().data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(build_binding_response);

void build_binding_response_with_fingerprint(benchmark::State& state) {
  std::array<std::uint8_t, 128> out;
  const Endpoint client{IpAddress::v4(192, 0, 2, 1), 49'152};
  for (auto _ : state) {
    MessageBuilder builder(out, MessageClass::SuccessResponse, Method::Binding, kId);
    benchmark::DoNotOptimize(builder.add_xor_address(A::XorMappedAddress, client)
                                 .add(A::Software, "turnstone")
                                 .add_fingerprint()
                                 .finish()
                                 .data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(build_binding_response_with_fingerprint);

void build_allocate_response_signed(benchmark::State& state) {
  std::array<std::uint8_t, 256> out;
  const Endpoint client{IpAddress::v4(192, 0, 2, 1), 49'152};
  const HmacSha1Key key(long_term_key());
  for (auto _ : state) {
    MessageBuilder builder(out, MessageClass::SuccessResponse, Method::Allocate, kId);
    benchmark::DoNotOptimize(builder.add_xor_address(A::XorRelayedAddress, client)
                                 .add_xor_address(A::XorMappedAddress, client)
                                 .add_u32(A::Lifetime, 600)
                                 .add_integrity(key)
                                 .finish()
                                 .data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(build_allocate_response_signed);

void parse_channel_data_1200(benchmark::State& state) {
  std::vector<std::uint8_t> bytes(1'204);
  write_channel_data_header(bytes.data(), 0x4000, 1'200);
  for (auto _ : state) {
    const auto parsed = parse_channel_data(bytes);
    benchmark::DoNotOptimize(parsed->data.data());
  }
}
BENCHMARK(parse_channel_data_1200);

}  // namespace
