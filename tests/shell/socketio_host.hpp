// SPDX-License-Identifier: Apache-2.0
// What the published conformance suites of Engine.IO and Socket.IO expect of a server: an Engine.IO echo at
// /engine.io/, and at /socket.io/ the namespaces / and /custom, with short times.
#pragma once

#include <algorithm>
#include <deque>
#include <string>

#include <turnstone/dialect/socket_io.hpp>
#include <turnstone/net/http_server.hpp>

namespace ts::net {

class SocketIoHost {
 public:
  static dialect::SocketIoOptions options() {
    dialect::SocketIoOptions out;
    out.ping_interval = std::chrono::milliseconds(300);
    out.ping_timeout = std::chrono::milliseconds(200);
    out.connect_timeout = std::chrono::milliseconds(1000);
    out.recovery = dialect::Recovery::Off;
    return out;
  }

  explicit SocketIoHost(RandomSource& random, const dialect::SocketIoOptions& o = options())
      : echo_(o, random), sio_(o, random), main_(sio_, "/"), custom_(sio_, "/custom") {
    sio_.add_namespace("/", main_);
    sio_.add_namespace("/custom", custom_);
  }

  /// This object must outlive the server.
  void mount(HttpServer& server) {
    EngineMount echo;
    echo.path = "/engine.io/";
    echo.engine = &echo_.engine;
    echo.any_origin = true;
    echo.next_deadline = [this] { return echo_.engine.next_deadline(); };
    echo.tick = [this](const Now& now) { echo_.engine.tick(now); };
    server.mount(std::move(echo));
    EngineMount socketio;
    socketio.path = "/socket.io/";
    socketio.engine = &sio_.engine();
    socketio.any_origin = true;
    socketio.next_deadline = [this] {
      auto due = sio_.next_deadline();
      for (const Space* space : {&main_, &custom_}) {
        if (space->greetings.empty()) continue;
        due = due ? std::min(*due, space->greetings.front().due) : space->greetings.front().due;
      }
      return due;
    };
    socketio.tick = [this](const Now& now) {
      sio_.tick(now);
      main_.greet(now);
      custom_.greet(now);
    };
    server.mount(std::move(socketio));
  }

  dialect::EngineIo& echo() noexcept { return echo_.engine; }
  dialect::SocketIo& socketio() noexcept { return sio_; }

 private:
  struct Echo final : dialect::EngineIo::Upper {
    Echo(const dialect::SocketIoOptions& o, RandomSource& random) : engine(o, random, *this) {}
    void engine_opened(const Now&, dialect::EngineSession) override {}
    void engine_message(const Now&, dialect::EngineSession session, bool binary,
                        std::string_view data) override {
      const std::string text = binary ? std::string(data) : "4" + std::string(data);
      engine.send(session, {std::make_shared<const std::string>(text), binary});
    }
    void engine_alive(const Now&, dialect::EngineSession) override {}
    void engine_closed(const Now&, dialect::EngineSession, dialect::EngineEnd) override {}
    dialect::EngineIo engine;
  };

  /// The suites listen for one message after the other, and miss one that comes in the same segment as the
  /// answer to CONNECT.
  static constexpr std::chrono::milliseconds kGreetingDelay{10};
  struct Greeting {
    TimePoint due{};
    dialect::SioSocket socket;
    std::string auth;
  };

  struct Space final : dialect::SocketIo::Application {
    Space(dialect::SocketIo& machine, std::string namespace_name)
        : sio(machine), name(std::move(namespace_name)) {}
    std::optional<std::string> refuses(const Now&, std::string_view) override { return std::nullopt; }
    void connected(const Now& now, dialect::SioSocket socket, std::string_view auth) override {
      greetings.push_back(Greeting{now.mono + kGreetingDelay, socket, std::string(auth)});
    }
    void greet(const Now& now) {
      while (!greetings.empty() && greetings.front().due <= now.mono) {
        dialect::SioMessage message(name, "auth", greetings.front().auth);
        sio.emit(now, greetings.front().socket, message);
        greetings.pop_front();
      }
    }
    void event(const Now& now, dialect::SioSocket socket, const dialect::SioEvent& event) override {
      if (event.name == "message") {
        dialect::SioMessage back(name, "message-back", event.arguments, event.attachments);
        sio.emit(now, socket, back);
      } else if (event.name == "message-with-ack" && event.ack) {
        sio.acknowledge(socket, *event.ack, event.arguments, event.attachments);
      }
    }
    void disconnected(const Now&, dialect::SioSocket, bool) override {}
    dialect::SocketIo& sio;
    std::string name;
    std::deque<Greeting> greetings;
  };

  Echo echo_;
  dialect::SocketIo sio_;
  Space main_;
  Space custom_;
};

}  // namespace ts::net
