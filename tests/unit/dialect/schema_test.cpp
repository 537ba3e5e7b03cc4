// SPDX-License-Identifier: Apache-2.0
// docs/signaling.schema.json names every message type, error code and kind that the code knows, and no other.
#include <fstream>
#include <set>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <turnstone/signal/counters.hpp>

namespace ts::signal {
namespace {

using Names = std::set<std::string>;

template <class Enum>
Names labels(std::size_t first, std::size_t end) {
  Names out;
  for (std::size_t i = first; i < end; ++i) out.emplace(label(static_cast<Enum>(i)));
  return out;
}

TEST(Schema, NamesWhatTheCodeKnows) {
  std::ifstream file(TS_SOURCE_DIR "/docs/signaling.schema.json");
  const auto definitions = nlohmann::json::parse(file)["$defs"];
  EXPECT_EQ(definitions["code"]["enum"].get<Names>(), labels<ErrorCode>(1, kErrorCodeCount));
  EXPECT_EQ(definitions["kind"]["enum"].get<Names>(), labels<Kind>(0, kKindCount));
  Names client;
  for (const auto& item : definitions["client"]["oneOf"]) {
    const std::string reference = item["$ref"];
    client.insert(reference.substr(reference.rfind('.') + 1));
    EXPECT_TRUE(definitions.contains(reference.substr(std::string("#/$defs/").size())));
  }
  EXPECT_EQ(client, labels<MessageType>(0, index(MessageType::Unknown)));
}

}  // namespace
}  // namespace ts::signal
