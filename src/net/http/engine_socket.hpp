// SPDX-License-Identifier: Apache-2.0
// A WebSocket of Engine.IO: messages between a WsLink and its endpoint.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine_endpoint.hpp"
#include "server_impl.hpp"
#include "ws_link.hpp"

namespace ts::net {

class EngineSocket final : public Connection, public WsLink {
 public:
  EngineSocket(std::shared_ptr<HttpServer::Impl> server, EngineEndpoint& endpoint, Stream stream);
  ~EngineSocket() override;

  /// Accepts the upgrade, which was allowed; `early` is what came behind the request.
  void start(const HttpRequest& request, std::string early);

  /// False: more waits than may.
  bool send(bool binary, std::string_view bytes);
  /// Sends what is queued and a close frame, and ends in limited time.
  void close() { say_goodbye(1000, {}); }
  void cut() noexcept override { cork().close(); }
  void retire() noexcept override {
    if (id_ == 0) cork().close();
  }

 private:
  void message(bool binary, std::string_view data) override;
  void ended(WsEnd why, std::uint16_t code) override;

  EngineEndpoint& endpoint_;
  dialect::EngineSocketId id_ = 0;
};

}  // namespace ts::net
