// SPDX-License-Identifier: Apache-2.0
// Answers of the external source of credentials: what is granted stands in the answer, and questions made of
// any name are JSON.
#include <cstdlib>

#include <turnstone/dialect/json.hpp>

#include "../../src/net/hook/answer.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ts;
  const std::string_view text = as_text({data, size});
  const std::string question =
      net::hook_question({std::string(text), "example.org", *IpAddress::parse("::1")});
  require(dialect::json::valid(question));

  const auto answer = net::decode_hook_answer(text);
  if (!answer) return 0;
  require(size <= net::kMaxHookAnswerBytes && dialect::json::valid(text));
  require(answer->kind == auth::HookAnswer::Kind::Found);
  require(answer->password.empty() == (answer->md5_key || answer->sha256_key));
  const bool says_policy =
      text.find("policy") != std::string_view::npos || text.find('\\') != std::string_view::npos;
  require(answer->policy.empty() || says_policy);
  // Of use to the cache, whatever it says.
  auth::HookOptions options;
  auth::HookCache cache(options, as_bytes("seed"));
  const Now now{TimePoint(std::chrono::seconds(5000)), WallTime(std::chrono::seconds(1'700'000'000))};
  const auth::HookName name = cache.name("example.org", "alice");
  cache.add(name, "example.org", "alice", *answer, now);
  require(cache.size() == 1 && !cache.refused(name, now.mono));
  return 0;
}
