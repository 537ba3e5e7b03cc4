// SPDX-License-Identifier: Apache-2.0
#include "client.hpp"

#include <charconv>
#include <utility>

#include "load.hpp"

namespace ts::load {
namespace {

constexpr std::string_view kData = "\"data\":\"";

/// A client over one WebSocket.
class WsClient : public Client {
 public:
  WsClient(Load& load, std::size_t number) noexcept : Client(load, number), channel_(*this) {}

  void come() final {
    begin();
    upgraded_ = false;
    if (!channel_.connect(load_.epoll(), load_.local_of(number()), load_.server_of(number()),
                          load_.options().tls))
      return lose();
    channel_.write(
        "GET " + path() + " HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + fields() + "\r\n");
  }
  void cut() noexcept final { channel_.reset(); }
  bool has_resumed_tls() const noexcept final { return channel_.has_resumed(); }

  void step(Channel&) final {
    if (!channel_.step()) return lose();
    if (!upgraded_ && !take_head()) return;
    std::size_t at = 0;
    while (!channel_.is_closed()) {
      const ServerFrame frame = next_frame(channel_.in, at);
      if (frame.opcode == 0) break;
      take(frame);
    }
    if (channel_.is_closed()) return;
    channel_.in.erase(0, at);
    if (channel_.in.empty() && channel_.in.capacity() > 256) channel_.in.shrink_to_fit();
  }

 protected:
  virtual std::string path() const = 0;
  /// Lines of the request of its own.
  virtual std::string fields() const { return {}; }
  /// The WebSocket is there.
  virtual void opened() {}
  virtual void text(std::string_view message) = 0;

  void say(std::string_view text, int opcode = kText) {
    std::string frame;
    append_frame(frame, opcode, text);
    channel_.write(frame);
    load_.want_flush(channel_);
  }
  void lose() {
    channel_.reset();
    is_lost();
  }

 private:
  /// False: not there yet, or refused.
  bool take_head() {
    const std::size_t end = channel_.in.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    if (!channel_.in.starts_with("HTTP/1.1 101")) {
      load_.complain(std::string_view(channel_.in).substr(0, end));
      lose();
      return false;
    }
    channel_.in.erase(0, end + 4);
    upgraded_ = true;
    opened();
    return true;
  }
  void take(const ServerFrame& frame) {
    switch (frame.opcode) {
      case kText: return text(frame.payload);
      case kPing: return say(frame.payload, kPong);
      case kPong: return;
      case kClose:
        load_.complain(frame.payload.size() > 2 ? frame.payload.substr(2) : "close");
        return lose();
      default: load_.complain("a frame that is none"); return lose();
    }
  }

  Channel channel_;
  bool upgraded_ = false;
};

class NativeClient final : public WsClient {
 public:
  using WsClient::WsClient;

 private:
  std::string path() const override { return "/v1/ws"; }
  std::string fields() const override { return "Sec-WebSocket-Protocol: signal.v1+json\r\n"; }

  void opened() override {
    std::string hello = R"({"t":"hello","v":1,"peer":")" + name() + '"';
    const std::string& token = load_.options().token;
    if (!token.empty()) hello += R"(,"token":")" + token + '"';
    if (!sid_.empty()) {
      hello +=
          R"(,"resume":{"sid":")" + sid_ + R"(","key":")" + key_ + R"(","seq":)" + std::to_string(seq_) + '}';
    }
    say(hello + '}');
  }

  void text(std::string_view message) override {
    constexpr std::string_view kType = R"({"t":")";
    if (!message.starts_with(kType)) return load_.complain(message);
    const std::string_view type =
        message.substr(kType.size(), message.find('"', kType.size()) - kType.size());
    note_number(message);
    if (type == "msg") return take_message(message);
    if (type == "welcome") return welcome(message);
    if (type == "joined" && !is_there()) return is_now_there(false);
    if (type == "error" || type == "kicked") load_.complain(message);
  }

  void welcome(std::string_view message) {
    sid_ = string_member(message, "\"sid\":\"");
    key_ = string_member(message, "\"key\":\"");
    if (message.find("\"resumed\":true") != std::string_view::npos) return is_now_there(true);
    seq_ = acknowledged_ = 0;
    say(R"({"t":"join","room":")" + room() + "\"}");
  }

  /// Acknowledges now and then, as clients do.
  void note_number(std::string_view message) {
    constexpr std::uint64_t kUnacknowledged = 32;
    constexpr std::string_view kName = "\"seq\":";
    const std::size_t at = message.rfind(kName);
    if (at == std::string_view::npos) return;
    std::uint64_t number = 0;
    const char* const begin = message.data() + at + kName.size();
    std::from_chars(begin, message.data() + message.size(), number);
    if (number > seq_) seq_ = number;
    if (seq_ < acknowledged_ + kUnacknowledged) return;
    acknowledged_ = seq_;
    say(R"({"t":"ack","seq":)" + std::to_string(seq_) + '}');
  }

  void send(std::string_view text) override {
    std::string message = R"({"t":"send","room":")" + room() + R"(","to":")" + partner_name();
    message.append(R"(","kind":"custom","data":")").append(text).append("\"}");
    say(message);
  }

  std::string sid_, key_;
  std::uint64_t seq_ = 0, acknowledged_ = 0;
};

class SocketIoClient final : public WsClient {
 public:
  SocketIoClient(Load& load, std::size_t number)
      : WsClient(load, number), talk_(name(), room(), load.options().token) {}

 private:
  std::string path() const override { return "/socket.io/?EIO=4&transport=websocket"; }

  void text(std::string_view packet) override {
    std::string answer;
    switch (talk_.packet(packet, answer)) {
      case SocketIoTalk::Event::Nothing: break;
      case SocketIoTalk::Event::There:
        if (!is_there()) is_now_there(false);
        break;
      case SocketIoTalk::Event::Message: return take_message(packet);
      case SocketIoTalk::Event::Refused: load_.complain(packet); return lose();
    }
    if (!answer.empty()) say(answer);
  }
  void send(std::string_view text) override { say(SocketIoTalk::message(partner_name(), text)); }

  SocketIoTalk talk_;
};

class PeerJsClient final : public WsClient {
 public:
  using WsClient::WsClient;

 private:
  std::string path() const override {
    const std::string& token = load_.options().token;
    return "/peerjs/peerjs?key=peerjs&id=" + name() + "&token=" + (token.empty() ? "t" + name() : token) +
           "&version=1.5.4";
  }
  void text(std::string_view message) override {
    const std::string_view type = string_member(message, "\"type\":\"");
    if (type == "CANDIDATE") return take_message(message);
    if (type == "OPEN") {
      if (!is_there()) is_now_there(false);
      return;
    }
    load_.complain(message);
  }
  void send(std::string_view text) override {
    std::string message = R"({"type":"CANDIDATE","dst":")" + partner_name() + R"(","payload":{"data":")";
    say(message.append(text).append("\"}}"));
  }
};

}  // namespace

void Client::send_next(std::uint64_t due_ns) {
  send(make_text(load_.options().load.payload, number_, sent_++, due_ns));
}

void Client::is_now_there(bool resumed) {
  resumed_ = resumed;
  there_ = true;
  load_.came(*this);
}

void Client::is_lost() {
  load_.lost(*this);
  there_ = false;
}

void Client::take_message(std::string_view message) { load_.arrived(*this, string_member(message, kData)); }

std::string_view string_member(std::string_view json, std::string_view quoted_name) noexcept {
  const std::size_t at = json.find(quoted_name);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = json.substr(at + quoted_name.size());
  return rest.substr(0, rest.find('"'));
}

SocketIoTalk::Event SocketIoTalk::packet(std::string_view packet, std::string& answer) const {
  if (packet == "2") {
    answer = "3";
  } else if (packet.starts_with('0')) {
    answer = R"(40{"token":")" + token_ + R"(","room":")" + room_ + "\"}";
  } else if (packet.starts_with("40")) {
    answer = R"(42["ready",")" + name_ + "\"]";
  } else if (packet.starts_with("42[\"message\",")) {
    // Only messages of clients have data; the first word of the server itself goes to who is ready.
    if (packet.find(kData) != std::string_view::npos) return Event::Message;
    if (packet.find(R"("from":"all")") != std::string_view::npos) return Event::There;
  } else if (packet.starts_with("41") || packet.starts_with("44") || packet.starts_with("42") ||
             packet == "1") {
    return Event::Refused;
  }
  return Event::Nothing;
}

std::string SocketIoTalk::message(std::string_view target, std::string_view text) {
  std::string out = R"(42["messageOne",{"target":")";
  return out.append(target).append(R"(","data":")").append(text).append("\"}]");
}

std::unique_ptr<Client> make_client(Load& load, std::size_t number) {
  switch (load.options().dialect) {
    case Dialect::Native: break;
    case Dialect::SocketIo: return std::make_unique<SocketIoClient>(load, number);
    case Dialect::Polling: return make_polling_client(load, number);
    case Dialect::PeerJs: return std::make_unique<PeerJsClient>(load, number);
  }
  return std::make_unique<NativeClient>(load, number);
}

}  // namespace ts::load
