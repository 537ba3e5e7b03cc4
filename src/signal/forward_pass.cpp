// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <turnstone/signal/forward_pass.hpp>
#include <turnstone/signal/remote.hpp>

namespace ts::signal {
namespace {

/// Of the pass's form, its first word.
constexpr std::string_view kForm = "1";

/// form, mark, number, seconds, client, body; what is signed comes behind them.
enum Word : std::size_t { Form, From, Number, Time, Client, Body, Signature, kWords };

Sha256Digest sign(const HmacSha256Key& key, std::string_view words, std::string_view to,
                  std::string_view method, std::string_view target) {
  // Nothing before the target holds a line break, so that no two requests are the same text.
  const ByteView end = as_bytes("\n");
  return key.sign({as_bytes(words), end, as_bytes(to), end, as_bytes(method), end, as_bytes(target)});
}

template <class Unsigned>
std::optional<Unsigned> number_of(std::string_view text) noexcept {
  Unsigned out = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return out;
}

std::optional<Sha256Digest> digest_of(std::string_view text) {
  const auto bytes = base64_decode(text);
  Sha256Digest out{};
  if (!bytes || bytes->size() != out.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return out;
}

bool is_mark(std::string_view text) noexcept {
  return text.size() == kMarkBytes && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                  c == '_';
         });
}

/// Exactly so many words with one space between them.
std::optional<std::array<std::string_view, kWords>> split(std::string_view text) noexcept {
  std::array<std::string_view, kWords> out;
  for (std::size_t i = 0; i < kWords; ++i) {
    const std::size_t end = i + 1 == kWords ? text.size() : text.find(' ');
    if (end == std::string_view::npos || end == 0) return std::nullopt;
    out[i] = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace

std::string mark_of(std::string_view node) {
  return fingerprint("mark " + std::string(node)).substr(0, kMarkBytes);
}

std::string_view mark_in(std::string_view sid) noexcept {
  return sid.size() > kMarkBytes ? sid.substr(0, kMarkBytes) : std::string_view();
}

std::string_view to_string(PassFault fault) noexcept {
  switch (fault) {
    case PassFault::Malformed: return "it is malformed";
    case PassFault::Forged: return "its signature is of another secret, node or request";
    case PassFault::Stale: return "its time is not ours: the nodes' clocks differ";
    case PassFault::Repeated: return "it was shown before";
    case PassFault::Crowded: return "there are too many nodes";
  }
  return {};
}

PassMaker::PassMaker(const ClusterKey& key, std::string from) : key_(key.bytes), from_(std::move(from)) {}

std::string PassMaker::make(WallTime now, std::string_view to, const PassedRequest& request) {
  std::string out(kForm);
  out.append(" ").append(from_);
  out.append(" ").append(std::to_string(++number_));
  out.append(" ").append(std::to_string(now.time_since_epoch().count()));
  out.append(" ").append(request.client.to_string());
  out.append(" ").append(base64url(request.body));
  const Sha256Digest signature = sign(key_, out, to, request.method, request.target);
  return out.append(" ").append(base64url(signature));
}

bool ReplayWindow::take(std::uint64_t number) noexcept {
  if (number > newest_) {
    if (number - newest_ >= kSize) {
      seen_.reset();
    } else {
      for (std::uint64_t n = newest_ + 1; n < number; ++n) seen_.reset(n % kSize);
    }
    newest_ = number;
    seen_.set(number % kSize);
    return true;
  }
  if (number == 0 || newest_ - number >= kSize || seen_.test(number % kSize)) return false;
  seen_.set(number % kSize);
  return true;
}

PassChecker::PassChecker(const ClusterKey& key, std::string own) : key_(key.bytes), own_(std::move(own)) {}

/// A node whose last pass is no longer good can have shown none that is.
bool PassChecker::make_room(WallTime now) {
  if (senders_.size() < kMaxPassSenders) return true;
  std::erase_if(senders_, [now](const auto& one) { return one.second.last + 2 * kPassLife < now; });
  return senders_.size() < kMaxPassSenders;
}

Result<AcceptedPass, PassFault> PassChecker::accept(WallTime now, std::string_view pass,
                                                    std::string_view method, std::string_view target) {
  if (pass.size() > kMaxPassBytes) return PassFault::Malformed;
  const auto words = split(pass);
  if (!words || (*words)[Form] != kForm || !is_mark((*words)[From])) return PassFault::Malformed;
  const auto number = number_of<std::uint64_t>((*words)[Number]);
  const auto seconds = number_of<std::uint32_t>((*words)[Time]);
  const auto client = Endpoint::parse((*words)[Client]);
  const auto body = digest_of((*words)[Body]);
  const auto signature = digest_of((*words)[Signature]);
  if (!number || !seconds || !client || !body || !signature) return PassFault::Malformed;
  const std::string_view signed_words = pass.substr(0, pass.size() - (*words)[Signature].size() - 1);
  if (!equal_constant_time(sign(key_, signed_words, own_, method, target), *signature))
    return PassFault::Forged;
  const WallTime made{std::chrono::seconds(*seconds)};
  if (made + kPassLife < now || now + kPassLife < made) return PassFault::Stale;
  auto sender = senders_.find((*words)[From]);
  if (sender == senders_.end()) {
    if (!make_room(now)) return PassFault::Crowded;
    sender = senders_.emplace(std::string((*words)[From]), Sender{}).first;
  }
  if (!sender->second.window.take(*number)) return PassFault::Repeated;
  sender->second.last = std::max(sender->second.last, now);
  return AcceptedPass{*client, *body};
}

}  // namespace ts::signal
