// SPDX-License-Identifier: Apache-2.0
// The JSON scanner: what is valid is valid in all its slices, and strings survive decoding and encoding.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <turnstone/base/bytes.hpp>
#include <turnstone/dialect/json.hpp>

namespace {

namespace json = ts::dialect::json;

void require(bool condition) {
  if (!condition) std::abort();
}

void look(const json::Value& value) {
  require(json::valid(value.raw));
  if (!value.is(json::Kind::String)) return;
  std::string storage;
  const std::string text(json::decode(value, storage));
  std::string quoted;
  json::append_string(quoted, text);
  require(json::valid(quoted));
  require(json::decode(json::Value{json::Kind::String, quoted}, storage) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = ts::as_text({data, size});
  const bool valid = json::valid(text);
  const bool object = json::for_each_member(text, [](const json::Value& key, const json::Value& value) {
    look(key);
    look(value);
  });
  const bool array = json::for_each_element(text, look);
  require(valid || (!object && !array));
  require(!(object && array));
  return 0;
}
