// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <openssl/ssl.h>

#include <turnstone/base/hash.hpp>
#include <turnstone/base/redis_url.hpp>
#include <turnstone/net/redis_bus.hpp>

#include "../name_finder.hpp"
#include "resp.hpp"

namespace ts::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using SteadyClock = std::chrono::steady_clock;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
/// For the name, the connection, TLS and the first answers together.
constexpr std::chrono::seconds kConnectLimit{2};
/// Every node hears its own beacons far more often.
constexpr std::chrono::seconds kSilenceLimit{5};
/// Before the first new attempt; twice as long before each other one, up to a limit.
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{1000};
/// The same after an answer that another attempt will hardly change: a wrong password, missing rights.
constexpr std::chrono::milliseconds kLongestPauseWhenRefused{10'000};
/// A connection that has lasted for less does not count as one that works.
constexpr std::chrono::seconds kWorks{5};
constexpr std::chrono::seconds kReportPause{10};
constexpr std::chrono::milliseconds kGoodbye{500};
/// What waits to be written to a server that does not read.
constexpr std::size_t kMaxUnwritten = std::size_t{64} << 20;

/// A connection, or the attempt at one.
struct Session {
  Session(asio::io_context& context, std::size_t max_payload)
      : socket(context), name(context), reader(max_payload) {}

  void close() noexcept {
    error_code ignored;
    name.cancel();
    socket.close(ignored);
    closed = true;
  }

  tcp::socket socket;
  NameWait name;
  std::optional<asio::ssl::stream<tcp::socket&>> tls;
  RespReader reader;
  std::array<char, 65'536> in{};
  std::string writing;
  std::string unwritten;
  bool closed = false;
  /// Redis has said no.
  bool refused = false;
  SteadyClock::time_point heard = SteadyClock::now();
};
using SessionPtr = std::shared_ptr<Session>;

/// SSL_set_tlsext_host_name() with our kind of casts.
void send_host_name(SSL* session, std::string host) noexcept {
  SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host.data());
}

/// The code that an error begins with: what follows may repeat the command, and the password with it.
std::string code_of(std::string_view error) {
  const std::string_view word = error.substr(0, std::min<std::size_t>(error.find(' '), 32));
  const bool is_code =
      std::all_of(word.begin(), word.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; });
  return is_code && !word.empty() ? std::string(word) : "an error";
}

/// It will be no other the next time, unless somebody does something about it.
bool is_final(std::string_view code) noexcept {
  return code == "WRONGPASS" || code == "NOAUTH" || code == "NOPERM" || code == "ERR";
}

/// Between three quarters of it and all: nodes that lost their connections at once do not come back so.
std::chrono::milliseconds spread(std::chrono::milliseconds pause, const void* who) noexcept {
  const auto ticks = static_cast<std::uint64_t>(SteadyClock::now().time_since_epoch().count());
  const std::uint64_t chance = mix64(ticks, static_cast<std::uint64_t>(std::hash<const void*>{}(who)));
  const auto part = static_cast<std::uint64_t>(pause.count()) / 4 + 1;
  return pause - std::chrono::milliseconds(chance % part);
}

}  // namespace

class RedisBus::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& context, const signal::ClusterOptions& options, RedisUrl url,
       std::vector<std::string> channels, std::size_t max_payload, Handlers handlers)
      : context_(context),
        options_(options),
        url_(std::move(url)),
        channels_(std::move(channels)),
        max_payload_(max_payload),
        handlers_(std::move(handlers)),
        names_(context),
        pause_(context),
        limit_(context) {}

  /// What is wrong with the certificates; empty: nothing.
  std::string trust();
  void start() { asio::co_spawn(context_, run(shared_from_this()), asio::detached); }
  void publish(std::string_view channel, std::string_view payload);
  void stop(std::function<void()> done);

 private:
  // Each takes what keeps its world alive.
  asio::awaitable<void> run(std::shared_ptr<Impl> self);
  asio::awaitable<void> establish(SessionPtr session, std::string& trouble);
  asio::awaitable<void> connect(SessionPtr session, std::string& trouble);
  asio::awaitable<void> greet(SessionPtr session, std::string& trouble);
  asio::awaitable<void> listen(SessionPtr session, std::string& trouble);
  /// The next answer that is no message; null: there is none, and `trouble` says why.
  asio::awaitable<const RespValue*> answer(SessionPtr session, std::string& trouble);
  asio::awaitable<void> read(SessionPtr session, std::string& trouble);
  asio::awaitable<void> write_now(SessionPtr session, const std::string& bytes, std::string& trouble);
  void write_more(const SessionPtr& session);
  void written(const SessionPtr& session, const error_code& error);
  void take(const RespValue& value, std::string& trouble);
  void watch(const SessionPtr& session, SteadyClock::duration time, bool silence);
  void report(const std::string& trouble);
  void finish();

  asio::io_context& context_;
  const signal::ClusterOptions options_;
  const RedisUrl url_;
  const std::vector<std::string> channels_;
  const std::size_t max_payload_;
  Handlers handlers_;
  asio::ssl::context tls_{asio::ssl::context::tls_client};
  NameFinder names_;
  asio::steady_timer pause_;
  asio::steady_timer limit_;
  SessionPtr session_;
  bool up_ = false;
  bool stopped_ = false;
  std::function<void()> done_;
  std::optional<SteadyClock::time_point> reported_;
};

std::string RedisBus::Impl::trust() {
  error_code error;
  SSL_CTX_set_min_proto_version(tls_.native_handle(), TLS1_2_VERSION);
  tls_.set_verify_mode(asio::ssl::verify_peer, error);
  if (!error && options_.redis_ca_file.empty()) tls_.set_default_verify_paths(error);
  if (!error && !options_.redis_ca_file.empty()) tls_.load_verify_file(options_.redis_ca_file, error);
  if (error) return "signaling.redis.ca_file: " + error.message();
  if (options_.redis_cert_file.empty()) return {};
  tls_.use_certificate_chain_file(options_.redis_cert_file, error);
  if (error) return "signaling.redis.cert_file: " + error.message();
  tls_.use_private_key_file(options_.redis_key_file, asio::ssl::context::pem, error);
  return error ? "signaling.redis.key_file: " + error.message() : std::string();
}

asio::awaitable<void> RedisBus::Impl::run([[maybe_unused]] std::shared_ptr<Impl> self) {
  std::chrono::milliseconds pause = kFirstPause;
  while (!stopped_) {
    const auto session = std::make_shared<Session>(context_, max_payload_);
    session_ = session;
    std::string trouble;
    co_await establish(session, trouble);
    if (stopped_) break;
    if (trouble.empty()) {
      const auto begun = SteadyClock::now();
      up_ = true;
      if (handlers_.connected) handlers_.connected();
      co_await listen(session, trouble);
      if (stopped_) break;
      up_ = false;
      if (SteadyClock::now() - begun >= kWorks) pause = kFirstPause;
      if (handlers_.disconnected) handlers_.disconnected();
    } else if (handlers_.failed) {
      handlers_.failed();
    }
    session->close();
    report(trouble);
    pause_.expires_after(spread(pause, this));
    pause = std::min(pause * 2, session->refused ? kLongestPauseWhenRefused : kLongestPause);
    const auto [waited] = co_await pause_.async_wait(kTuple);
    if (waited) break;
  }
}

/// Closes the session when it takes too long, or is silent for so long.
void RedisBus::Impl::watch(const SessionPtr& session, SteadyClock::duration time, bool silence) {
  limit_.expires_after(time);
  limit_.async_wait([self = shared_from_this(), session, time, silence](const error_code& error) {
    if (error || session->closed) return;
    const auto left = session->heard + time - SteadyClock::now();
    if (silence && left > SteadyClock::duration::zero()) return self->watch(session, time, true);
    session->close();
  });
}

asio::awaitable<void> RedisBus::Impl::establish(SessionPtr session, std::string& trouble) {
  watch(session, kConnectLimit, false);
  co_await connect(session, trouble);
  if (trouble.empty()) co_await greet(session, trouble);
  limit_.cancel();
  if (session->closed && !stopped_) trouble = "no answer in time";
}

asio::awaitable<void> RedisBus::Impl::connect(SessionPtr session, std::string& trouble) {
  std::vector<tcp::endpoint> endpoints;
  const error_code unknown = co_await names_.find(url_.host, url_.port, session->name, endpoints);
  if (unknown) {
    trouble = "the name cannot be resolved: " + unknown.message();
    co_return;
  }
  if (session->closed) co_return;
  const auto [failed, connected] = co_await asio::async_connect(session->socket, endpoints, kTuple);
  if (failed) {
    trouble = "cannot connect: " + failed.message();
    co_return;
  }
  error_code error;
  session->socket.set_option(tcp::no_delay(true), error);
  if (!url_.tls) co_return;
  session->tls.emplace(session->socket, tls_);
  error_code is_name;
  asio::ip::make_address(url_.host, is_name);
  if (is_name) send_host_name(session->tls->native_handle(), url_.host);
  session->tls->set_verify_callback(asio::ssl::host_name_verification(url_.host), error);
  const auto [refused] = co_await session->tls->async_handshake(asio::ssl::stream_base::client, kTuple);
  if (refused) trouble = "TLS: " + refused.message();
}

/// HELLO with the credentials, then SUBSCRIBE, which is answered for each channel.
asio::awaitable<void> RedisBus::Impl::greet(SessionPtr session, std::string& trouble) {
  std::string hello;
  if (options_.redis_password.empty()) {
    append_command(hello, {"HELLO", "3"});
  } else {
    std::string_view user = options_.redis_username;
    if (user.empty()) user = "default";
    append_command(hello, {"HELLO", "3", "AUTH", user, options_.redis_password});
  }
  co_await write_now(session, hello, trouble);
  if (!trouble.empty()) co_return;
  const RespValue* greeting = co_await answer(session, trouble);
  if (greeting == nullptr) co_return;
  if (greeting->kind == RespValue::Kind::Error) {
    session->refused = is_final(code_of(greeting->text));
    trouble = "HELLO is refused with " + code_of(greeting->text) +
              ": see user name and password; Redis 6 or later is needed";
    co_return;
  }
  std::string subscribe;
  for (const std::string& channel : channels_) append_command(subscribe, {"SUBSCRIBE", channel});
  co_await write_now(session, subscribe, trouble);
  for (std::size_t i = 0; i < channels_.size() && trouble.empty(); ++i) {
    const RespValue* said = co_await answer(session, trouble);
    if (said == nullptr) co_return;
    if (said->kind != RespValue::Kind::Error) continue;
    session->refused = is_final(code_of(said->text));
    trouble = "SUBSCRIBE is refused with " + code_of(said->text) + ": see the user's rights to channels";
  }
}

asio::awaitable<const RespValue*> RedisBus::Impl::answer(SessionPtr session, std::string& trouble) {
  for (;;) {
    while (const RespValue* value = session->reader.next()) {
      if (!value->begins_with("message")) co_return value;
    }
    if (session->reader.malformed()) trouble = "the answer is not Redis'";
    if (trouble.empty()) co_await read(session, trouble);
    if (!trouble.empty()) co_return nullptr;
  }
}

asio::awaitable<void> RedisBus::Impl::read(SessionPtr session, std::string& trouble) {
  const auto buffer = asio::buffer(session->in);
  error_code error;
  std::size_t size = 0;
  if (session->tls) {
    const auto [failed, count] = co_await session->tls->async_read_some(buffer, kTuple);
    error = failed;
    size = count;
  } else {
    const auto [failed, count] = co_await session->socket.async_read_some(buffer, kTuple);
    error = failed;
    size = count;
  }
  if (error) {
    trouble = "the connection ended: " + error.message();
    co_return;
  }
  session->heard = SteadyClock::now();
  session->reader.feed(std::string_view(session->in.data(), size));
}

asio::awaitable<void> RedisBus::Impl::write_now(SessionPtr session, const std::string& bytes,
                                                std::string& trouble) {
  const auto buffer = asio::buffer(bytes);
  error_code error;
  if (session->tls) {
    const auto [failed, count] = co_await asio::async_write(*session->tls, buffer, kTuple);
    error = failed;
  } else {
    const auto [failed, count] = co_await asio::async_write(session->socket, buffer, kTuple);
    error = failed;
  }
  if (error) trouble = "the connection ended: " + error.message();
}

asio::awaitable<void> RedisBus::Impl::listen(SessionPtr session, std::string& trouble) {
  watch(session, kSilenceLimit, true);
  while (trouble.empty() && !stopped_) {
    // A handler may stop everything, and publish.
    while (const RespValue* value = session->reader.next()) {
      take(*value, trouble);
      if (stopped_ || !trouble.empty()) break;
    }
    if (session->reader.malformed()) trouble = "what came is not Redis'";
    if (trouble.empty() && !stopped_) co_await read(session, trouble);
  }
  limit_.cancel();
}

void RedisBus::Impl::take(const RespValue& value, std::string& trouble) {
  if (value.kind == RespValue::Kind::Error) {
    session_->refused = is_final(code_of(value.text));
    trouble = "PUBLISH is refused with " + code_of(value.text);
  } else if (value.kind == RespValue::Kind::Push && value.begins_with("message") && value.items.size() == 3) {
    if (handlers_.message) handlers_.message(value.items[2].text);
  }
}

void RedisBus::Impl::publish(std::string_view channel, std::string_view payload) {
  if (!up_ || stopped_ || session_->closed) return;  // the reader has not noticed yet
  append_command(session_->unwritten, {"PUBLISH", channel, payload});
  if (session_->unwritten.size() > kMaxUnwritten) return session_->close();
  write_more(session_);
}

/// One write at a time takes all that was published meanwhile.
void RedisBus::Impl::write_more(const SessionPtr& session) {
  if (!session->writing.empty() || session->closed) return;
  if (session->unwritten.empty()) {
    if (stopped_) finish();
    return;
  }
  std::swap(session->writing, session->unwritten);
  const auto done = [self = shared_from_this(), session](const error_code& error, std::size_t) {
    self->written(session, error);
  };
  const auto buffer = asio::buffer(session->writing);
  if (session->tls) {
    asio::async_write(*session->tls, buffer, done);
  } else {
    asio::async_write(session->socket, buffer, done);
  }
}

void RedisBus::Impl::written(const SessionPtr& session, const error_code& error) {
  session->writing.clear();
  if (!error) return write_more(session);
  session->close();  // the reader notices
  if (stopped_) finish();
}

void RedisBus::Impl::report(const std::string& trouble) {
  const auto now = SteadyClock::now();
  if (reported_ && now - *reported_ < kReportPause) return;
  reported_ = now;
  if (handlers_.report) handlers_.report(trouble);
}

void RedisBus::Impl::stop(std::function<void()> done) {
  if (stopped_) {
    if (done) asio::post(context_, std::move(done));
    return;
  }
  stopped_ = true;
  names_.stop();
  done_ = std::move(done);
  pause_.cancel();
  limit_.cancel();
  if (!up_ || session_->closed || (session_->writing.empty() && session_->unwritten.empty())) return finish();
  limit_.expires_after(kGoodbye);
  limit_.async_wait([self = shared_from_this()](const error_code& error) {
    if (!error) self->finish();
  });
}

void RedisBus::Impl::finish() {
  limit_.cancel();
  if (session_) session_->close();
  if (done_) asio::post(context_, std::exchange(done_, nullptr));
}

RedisBus::RedisBus(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
RedisBus::~RedisBus() { impl_->stop({}); }

Result<std::unique_ptr<RedisBus>, std::string> RedisBus::make(asio::io_context& context,
                                                              const signal::ClusterOptions& options,
                                                              std::vector<std::string> channels,
                                                              std::size_t max_payload_bytes,
                                                              Handlers handlers) {
  auto url = RedisUrl::parse(options.redis_url);
  if (!url) return std::string("signaling.redis.url: not redis://host:port or rediss://host:port");
  auto impl = std::make_shared<Impl>(context, options, std::move(*url), std::move(channels),
                                     max_payload_bytes, std::move(handlers));
  if (std::string problem = impl->trust(); !problem.empty()) return problem;
  return std::unique_ptr<RedisBus>(new RedisBus(std::move(impl)));
}

void RedisBus::start() { impl_->start(); }
void RedisBus::publish(std::string_view channel, std::string_view payload) {
  impl_->publish(channel, payload);
}
void RedisBus::stop(std::function<void()> done) { impl_->stop(std::move(done)); }

}  // namespace ts::net
