// SPDX-License-Identifier: Apache-2.0
// A client of the admin API.
#pragma once

#include <nlohmann/json.hpp>

#include "turn_client.hpp"

namespace ts::shell_test {

struct AdminAnswer {
  int status = 0;
  std::string head;
  std::string body;
  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
};

class AdminClient {
 public:
  static constexpr const char* kToken = "a-token-of-the-operators";

  explicit AdminClient(std::uint16_t port) : server_(at("127.0.0.1", port)) {}

  AdminAnswer ask(const std::string& method, const std::string& target, const std::string& body = {}) const {
    return raw(method, target,
               "Host: " + server_.to_string() + "\r\nAuthorization: Bearer " + kToken + "\r\n", body);
  }
  AdminAnswer get(const std::string& target) const { return ask("GET", target); }

  AdminAnswer raw(const std::string& method, const std::string& target, const std::string& fields,
                  const std::string& body = {}) const {
    Wire wire(server_, {});
    std::string text = method + ' ' + target + " HTTP/1.1\r\n" + fields + "Connection: close\r\n";
    if (!body.empty())
      text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    wire.write(text + "\r\n" + body);
    Bytes bytes;
    while (wire.read(bytes) == Wire::Read::Some) {
    }
    const std::string all(as_text(bytes));
    const std::size_t end = std::min(all.find("\r\n\r\n"), all.size());
    AdminAnswer out;
    if (all.size() > 12) out.status = std::atoi(all.c_str() + 9);
    out.head = all.substr(0, end);
    out.body = end + 4 <= all.size() ? all.substr(end + 4) : "";
    return out;
  }

  const Endpoint& server() const { return server_; }

 private:
  Endpoint server_;
};

inline config::Config admin_config(std::uint32_t shards = 1) {
  config::Config out = loopback_config(shards);
  out.admin.token = AdminClient::kToken;
  out.admin.port = 0;
  return out;
}

}  // namespace ts::shell_test
