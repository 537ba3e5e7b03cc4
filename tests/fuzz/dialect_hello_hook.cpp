// SPDX-License-Identifier: Apache-2.0
// The application's answers about hellos: what is granted stands in the answer, and questions made of any
// token are JSON.
#include <cstdlib>

#include <turnstone/base/bytes.hpp>
#include <turnstone/dialect/hello_hook.hpp>
#include <turnstone/dialect/json.hpp>
#include <turnstone/signal/router.hpp>

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ts;
  const std::string_view text = as_text({data, size});
  signal::HelloQuestion question;
  question.token = text;
  question.origin = text;
  question.dialect = "native";
  require(dialect::json::valid(dialect::hello_question("hello_1", question)));
  require(dialect::decode_refusal(text).size() <= signal::kMaxReasonBytes);

  const auto answer = dialect::decode_hello_answer(text);
  if (!answer) return 0;
  require(size <= dialect::kMaxHelloAnswerBytes && dialect::json::valid(text));
  require(answer->result == signal::HookResult::Allowed || answer->result == signal::HookResult::Refused);
  require(answer->meta.empty() || dialect::json::valid(answer->meta));
  require(answer->meta.size() <= signal::kMaxMetaBytes);
  require(answer->peer.empty() || signal::valid_name(answer->peer, signal::kMaxPeerNameBytes));
  if (answer->rooms) {
    require(answer->rooms->size() <= dialect::kMaxHelloAnswerRooms);
    for (const std::string& room : *answer->rooms)
      require(signal::valid_name(room, signal::kMaxRoomNameBytes));
  }
  return 0;
}
