// SPDX-License-Identifier: Apache-2.0
// Requests of the admin API: method, path, query, body and headers, a line each.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <turnstone/admin/api.hpp>

namespace {

std::string line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string out(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  ts::admin::Request request;
  request.method = line(text);
  request.path = line(text);
  request.query = line(text);
  request.host = line(text);
  request.origin = line(text);
  request.authorization = line(text);
  request.content_type = "application/json";
  request.body = std::string(text);
  const ts::admin::Access access{"0123456789abcdef", {"admin.example.org"}};
  const auto refused = ts::admin::refuse(request, access);
  if (!refused && request.authorization.find(access.token) == std::string::npos) std::abort();
  const auto call = ts::admin::route(request);
  if (!call) {
    if (call.error().status < 400 || call.error().body.empty()) std::abort();
    return 0;
  }
  if (call->limit() == 0 || call->limit() > ts::admin::kMaxPage) std::abort();
  for (const auto& [name, value] : call->values) {
    if (value.size() > ts::admin::kMaxValueBytes) std::abort();
  }
  return 0;
}
