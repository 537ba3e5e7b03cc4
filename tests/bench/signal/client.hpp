// SPDX-License-Identifier: Apache-2.0
// One client of a signaling server. It comes, sends texts to its partner, and hands over those that it gets;
// what it speaks is its subclass.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "channel.hpp"
#include "frames.hpp"

namespace ts::load {

class Load;

class Client {
 public:
  Client(Load& load, std::size_t number) noexcept : load_(load), number_(number) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  virtual ~Client() = default;

  /// Connects, and does what is to be done until it is a member of its room.
  virtual void come() = 0;
  /// Resets its connections.
  virtual void cut() noexcept = 0;
  /// Something happened to one of its channels.
  virtual void step(Channel& channel) = 0;
  /// A text for its partner, on its way with the end of the loop's turn.
  virtual void send(std::string_view text) = 0;
  virtual bool has_resumed_tls() const noexcept = 0;

  /// The next text of the sequence.
  void send_next(std::uint64_t due_ns);

  std::size_t number() const noexcept { return number_; }
  std::size_t partner() const noexcept { return number_ ^ 1U; }
  bool is_there() const noexcept { return there_; }
  /// The server took up its session of signaling when it came last.
  bool has_resumed() const noexcept { return resumed_; }
  Order& order() noexcept { return order_; }
  std::uint64_t sent() const noexcept { return sent_; }

 protected:
  std::string name() const { return "p" + std::to_string(number_); }
  std::string partner_name() const { return "p" + std::to_string(partner()); }
  std::string room() const { return "r" + std::to_string(number_ / 2); }
  void begin() noexcept { there_ = resumed_ = false; }
  void is_now_there(bool resumed);
  void is_lost();
  /// What is in "data" of a message, if there is such a member.
  void take_message(std::string_view message);

  Load& load_;

 private:
  const std::size_t number_;
  bool there_ = false;
  bool resumed_ = false;
  std::uint64_t sent_ = 0;
  Order order_;
};

/// A client of the dialect that the options name.
std::unique_ptr<Client> make_client(Load& load, std::size_t number);
/// The polling one, which has a file of its own.
std::unique_ptr<Client> make_polling_client(Load& load, std::size_t number);

/// The value of a string member, as it is written; empty when there is none.
std::string_view string_member(std::string_view json, std::string_view quoted_name) noexcept;

/// What Socket.IO says to the simple signal server, on either transport.
class SocketIoTalk {
 public:
  enum class Event : std::uint8_t { Nothing, There, Message, Refused };

  SocketIoTalk(std::string name, std::string room, std::string token)
      : name_(std::move(name)), room_(std::move(room)), token_(std::move(token)) {}
  /// A packet from the server; what is to be answered is appended to `answer` (empty: nothing).
  Event packet(std::string_view packet, std::string& answer) const;
  static std::string message(std::string_view target, std::string_view text);

 private:
  std::string name_, room_, token_;
};

}  // namespace ts::load
