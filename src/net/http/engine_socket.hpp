// SPDX-License-Identifier: Apache-2.0
// A WebSocket of Engine.IO: frames between a stream and its endpoint. Idle, it owns no buffer: what comes is
// read into one of the server's.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cork.hpp"
#include "engine_endpoint.hpp"
#include "server_impl.hpp"
#include "ws_frames.hpp"

namespace ts::net {

class EngineSocket final : public Connection, public std::enable_shared_from_this<EngineSocket> {
 public:
  EngineSocket(std::shared_ptr<HttpServer::Impl> server, EngineEndpoint& endpoint, Stream stream);
  ~EngineSocket() override;

  /// Accepts the upgrade, which was allowed; `early` is what came behind the request.
  void start(const HttpRequest& request, std::string early);

  /// False: more waits than may.
  bool send(bool binary, std::string_view bytes);
  /// Sends what is queued and a close frame, and ends in limited time.
  void close(std::uint16_t code = 1000);
  void cut() noexcept override { cork_->close(); }
  void retire() noexcept override {
    if (id_ == 0) cork_->close();
  }

 private:
  void wait();
  void read();
  /// False: it is closing.
  bool feed(MutableBytes bytes);
  void ended(dialect::EngineEnd why);
  void frame(WsOpcode opcode, std::string_view payload);

  std::shared_ptr<HttpServer::Impl> server_;
  EngineEndpoint& endpoint_;
  const bool tls_;
  std::shared_ptr<Cork> cork_;
  WsReader reader_;
  dialect::EngineSocketId id_ = 0;
  bool closing_ = false;
};

}  // namespace ts::net
