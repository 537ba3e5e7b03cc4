// SPDX-License-Identifier: Apache-2.0
// Passes of requests that nodes pass on: nobody without the key makes one, and one with bytes changed is
// none.
#include <cstdlib>
#include <string>

#include <turnstone/signal/forward_pass.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ts;
  using namespace ts::signal;
  const std::string_view text = as_text(ByteView(data, size));
  const WallTime now{std::chrono::seconds(1'800'000'000)};
  const ClusterKey key = derive("a secret that the input does not know", kForwardPurpose);
  PassChecker checker(key, "two-mark");
  if (checker.accept(now, text, "GET", "/socket.io/")) std::abort();
  // What is made of the input is good for it, once.
  PassMaker maker(key, "one-mark");
  PassedRequest request;
  request.method = "GET";
  request.client = Endpoint{IpAddress::v4(192, 0, 2, 7), 4321};
  request.target = text;
  const std::string pass = maker.make(now, "two-mark", request);
  if (!checker.accept(now, pass, "GET", text)) std::abort();
  if (checker.accept(now, pass, "GET", text)) std::abort();
  if (checker.accept(now, pass, "POST", text)) std::abort();
  return 0;
}
