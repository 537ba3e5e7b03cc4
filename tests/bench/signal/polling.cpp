// SPDX-License-Identifier: Apache-2.0
// A client of Socket.IO by long polling: one connection whose GET is parked, and one for POSTs.
#include <charconv>

#include "load.hpp"

namespace ts::load {
namespace {

constexpr char kSeparator = '\x1e';

/// A response with Content-Length; Engine.IO sends no other.
struct Response {
  bool whole = false;
  bool well = false;
  std::string_view body;
  std::size_t bytes = 0;
};

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// The value of a field; the name in lower case with its colon.
std::string_view field(std::string_view head, std::string_view name) noexcept {
  for (std::size_t line = head.find("\r\n"); line != std::string_view::npos; line = head.find("\r\n", line)) {
    line += 2;
    std::size_t same = 0;
    while (same < name.size() && line + same < head.size() && lower(head[line + same]) == name[same]) ++same;
    if (same != name.size()) continue;
    std::string_view value = head.substr(line + same);
    value = value.substr(0, value.find("\r\n"));
    while (value.starts_with(' ')) value.remove_prefix(1);
    return value;
  }
  return {};
}

Response response_in(std::string_view in) noexcept {
  Response out;
  const std::size_t end = in.find("\r\n\r\n");
  if (end == std::string_view::npos) return out;
  std::size_t size = 0;
  const std::string_view length = field(in.substr(0, end), "content-length:");
  std::from_chars(length.data(), length.data() + length.size(), size);
  if (in.size() < end + 4 + size) return out;
  out.whole = true;
  out.well = in.starts_with("HTTP/1.1 200");
  out.body = in.substr(end + 4, size);
  out.bytes = end + 4 + size;
  return out;
}

class PollingClient final : public Client {
 public:
  PollingClient(Load& load, std::size_t number)
      : Client(load, number), get_(*this), post_(*this), talk_(name(), room(), load.options().token) {}

  void come() override {
    begin();
    sid_.clear();
    outbox_.clear();
    posting_ = false;
    if (!open(get_)) return lose();
    get();
  }
  void cut() noexcept override {
    get_.reset();
    post_.reset();
  }
  bool has_resumed_tls() const noexcept override { return get_.has_resumed(); }
  void send(std::string_view text) override { say(SocketIoTalk::message(partner_name(), text)); }

  void step(Channel& channel) override {
    if (!channel.step()) {
      // A server may close a connection that nothing is asked over.
      if (&channel == &post_ && !posting_ && channel.in.empty()) return post_.reset();
      return lose();
    }
    while (!channel.is_closed()) {
      const Response response = response_in(channel.in);
      if (!response.whole) return;
      if (!response.well) {
        load_.complain(std::string_view(channel.in).substr(0, response.bytes));
        return lose();
      }
      const std::string body(response.body);
      channel.in.erase(0, response.bytes);
      if (&channel == &post_) {
        posting_ = false;
        if (!outbox_.empty()) post();
      } else {
        take(body);
      }
    }
  }

 private:
  bool open(Channel& channel) {
    return channel.connect(load_.epoll(), load_.local_of(number()), load_.server_of(number()),
                           load_.options().tls);
  }
  std::string target() const {
    std::string out = "/socket.io/?EIO=4&transport=polling";
    if (!sid_.empty()) out += "&sid=" + sid_;
    return out;
  }
  void get() {
    get_.write("GET " + target() + " HTTP/1.1\r\nHost: bench\r\n\r\n");
    load_.want_flush(get_);
  }
  void post() {
    if (post_.is_closed() && !open(post_)) return lose();
    posting_ = true;
    post_.write("POST " + target() +
                " HTTP/1.1\r\nHost: bench\r\nContent-Type: text/plain;charset=UTF-8\r\n" +
                "Content-Length: " + std::to_string(outbox_.size()) + "\r\n\r\n" + outbox_);
    outbox_.clear();
    load_.want_flush(post_);
  }
  void say(std::string_view packet) {
    if (!outbox_.empty()) outbox_.push_back(kSeparator);
    outbox_.append(packet);
    if (!posting_) post();
  }
  void take(std::string_view payload) {
    if (sid_.empty()) sid_ = string_member(payload, "\"sid\":\"");
    while (!payload.empty() && !get_.is_closed()) {
      const std::size_t end = payload.find(kSeparator);
      packet(payload.substr(0, end));
      payload.remove_prefix(end == std::string_view::npos ? payload.size() : end + 1);
    }
    if (!get_.is_closed()) get();
  }
  void packet(std::string_view packet) {
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
  void lose() {
    cut();
    sid_.clear();
    is_lost();
  }

  Channel get_;
  Channel post_;
  SocketIoTalk talk_;
  std::string sid_;
  std::string outbox_;
  bool posting_ = false;
};

}  // namespace

std::unique_ptr<Client> make_polling_client(Load& load, std::size_t number) {
  return std::make_unique<PollingClient>(load, number);
}

}  // namespace ts::load
