// SPDX-License-Identifier: Apache-2.0
// A datagram of DTLS: views stay inside, a HelloVerifyRequest is small and well formed, and what a session
// may be given is made of whole records.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include <turnstone/stun/dtls.hpp>

namespace {

using namespace ts;
using namespace ts::stun;

void check(bool holds) {
  if (!holds) std::abort();
}

bool inside(ByteView part, ByteView whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_hello(const DtlsRecord& record) {
  const auto hello = parse_dtls_client_hello(record);
  if (!hello) return;
  check(begins_dtls_client_hello(record));
  check(inside(hello->before_cookie, record.fragment) && inside(hello->cookie, record.fragment) &&
        inside(hello->after_cookie, record.fragment));
  check(hello->before_cookie.size() >= 35 && hello->after_cookie.size() >= 3);
  std::array<std::uint8_t, kMaxHelloVerifyRequestBytes> answer;
  const std::array<std::uint8_t, 16> cookie{1, 2, 3};
  const std::size_t size = write_hello_verify_request(answer, *hello, cookie);
  check(size == 44 && size < record.bytes);
  const auto written = parse_dtls_record(ByteView(answer).first(size));
  check(written && written->bytes == size && written->sequence == record.sequence && written->epoch == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 65'535) return 0;
  const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[size]);
  std::copy_n(data, size, exact.get());
  const ByteView datagram(exact.get(), size);
  if (const auto record = parse_dtls_record(datagram)) {
    check(record->bytes <= size && inside(record->fragment, datagram));
    check_hello(*record);
  }
  for (const bool established : {false, true}) {
    DtlsEarly early;
    std::size_t left = acceptable_dtls_bytes(datagram, established, early);
    check(left <= size && early.records <= 2 * kMaxDtlsEarlyRecords);
    for (ByteView rest = datagram.first(left); !rest.empty();) {
      const auto record = parse_dtls_record(rest);
      check(record && record->epoch <= 1);
      rest = rest.subspan(record->bytes);
    }
  }
  return 0;
}
