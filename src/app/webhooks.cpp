// SPDX-License-Identifier: Apache-2.0
#include "webhooks.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include <turnstone/app/logging.hpp>
#include <turnstone/base/hash.hpp>
#include <turnstone/base/http_url.hpp>
#include <turnstone/base/webhook_signature.hpp>
#include <turnstone/dialect/json.hpp>
#include <turnstone/metrics/labels.hpp>
#include <turnstone/net/clock.hpp>

#include "dialects.hpp"

namespace ts::app {
namespace {

namespace asio = boost::asio;
namespace json = dialect::json;
using net::WebhookDrop;
using net::WebhookEvent;

/// Ended allocations that are taken note of between two looks at them.
constexpr std::size_t kMaxEnded = 8192;
/// What waits at the end of the server is posted for so long.
constexpr std::chrono::seconds kLastCall{3};
constexpr std::chrono::seconds kReportPause{10};
constexpr unsigned kGone = 410;

/// Members of a JSON object, with commas before all but the first.
class Object {
 public:
  Object& text(std::string_view key, std::string_view value) {
    if (value.empty()) return *this;
    name(key);
    json::append_string(out_, value);
    return *this;
  }
  Object& raw(std::string_view key, std::string_view value) {
    name(key);
    out_ += value;
    return *this;
  }
  std::string end() { return std::move(out_) + (first_ ? "{}" : "}"); }

 private:
  void name(std::string_view key) {
    out_ += std::exchange(first_, false) ? "{\"" : ",\"";
    out_.append(key).append("\":");
  }
  std::string out_;
  bool first_ = true;
};

/// RFC 3339, UTC.
std::string date_of(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  const auto two = [](std::int64_t number) { return (number < 10 ? "0" : "") + std::to_string(number); };
  return std::to_string(static_cast<int>(date.year())) + '-' + two(static_cast<unsigned>(date.month())) +
         '-' + two(static_cast<unsigned>(date.day())) + 'T' + two(clock.hours().count()) + ':' +
         two(clock.minutes().count()) + ':' + two(clock.seconds().count()) + 'Z';
}

std::string traffic(const turn::Traffic& t) {
  return Object().raw("packets", std::to_string(t.packets)).raw("bytes", std::to_string(t.bytes)).end();
}

Object about(const signal::MemberEvent& member) {
  Object out;
  out.text("room", member.room).text("peer", member.peer).text("sub", member.subject);
  out.text("dialect", dialect_name(member.dialect));
  return out;
}

std::string about(const turn::AllocationEvent& e) {
  Object out;
  out.text("user", e.username).text("realm", e.realm).text("room", e.room).text("member", e.member);
  out.text("client", e.tuple.client.to_string()).text("transport", metrics::label(e.tuple.transport));
  out.text("relayed", e.relayed.to_string()).text("reason", metrics::label(e.reason));
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(e.age);
  out.raw("milliseconds", std::to_string(age.count()));
  return out.raw("to_peer", traffic(e.to_peer)).raw("to_client", traffic(e.to_client)).end();
}

}  // namespace

/// A URL.
struct Webhooks::Target {
  Target(asio::io_context& context, std::string to) : url(std::move(to)), timer(context) {}
  const std::string url;
  WebhookQueue queue;
  std::unique_ptr<net::HttpCaller> caller;
  asio::steady_timer timer;
  std::optional<TimePoint> reported;
  /// It was taken out, or all is over.
  bool closed = false;
};

Webhooks::Webhooks(asio::io_context& context, RandomSource& random)
    : context_(context),
      random_(random),
      node_(base64url(random.bytes<9>())),
      seed_(random.number()),
      last_call_(context) {}

Webhooks::~Webhooks() { end(); }

std::string Webhooks::use(const config::WebhookOptions& options) {
  if (over_ || options == options_) return {};
  std::vector<std::unique_ptr<net::HttpCaller>> callers;
  for (const std::string& text : options.urls) {
    net::HttpCallOptions call;
    auto url = HttpUrl::parse(text);
    if (!url) return "webhooks.urls: not an http or https URL";
    call.url = std::move(*url);
    call.ca_file = options.ca_file;
    call.timeout = options.timeout;
    call.max_in_flight = WebhookQueue::kLanes;
    call.only_status = true;
    auto made = net::HttpCaller::make(context_, std::move(call));
    if (!made) return "webhooks.ca_file: " + made.error();
    callers.push_back(std::move(*made));
  }
  const auto former = std::exchange(targets_, {});
  for (std::size_t i = 0; i < options.urls.size(); ++i) {
    const auto known = std::find_if(former.begin(), former.end(),
                                    [&](const auto& target) { return target->url == options.urls[i]; });
    const bool stays =
        known != former.end() && std::find(targets_.begin(), targets_.end(), *known) == targets_.end();
    auto target = stays ? *known : std::make_shared<Target>(context_, options.urls[i]);
    if (target->caller) target->caller->stop();
    target->queue.release();
    target->caller = std::move(callers[i]);
    counters_.dropped[static_cast<std::size_t>(WebhookDrop::Full)] +=
        target->queue.set_limit(options.max_queue);
    targets_.push_back(std::move(target));
  }
  for (const auto& target : former) {
    if (std::find(targets_.begin(), targets_.end(), target) != targets_.end()) continue;
    target->closed = true;
    target->timer.cancel();
    target->caller->stop();
    counters_.dropped[static_cast<std::size_t>(WebhookDrop::Stopped)] += target->queue.size();
  }
  options_ = options;
  keys_.clear();
  for (const std::string& secret : options_.secrets) {
    if (auto key = webhook_key(secret)) keys_.push_back(std::move(*key));
  }
  wants_allocations_ = wants(WebhookEvent::AllocationEnded);
  for (const auto& target : targets_) pump(target);
  return {};
}

// What happens.

bool Webhooks::wants(WebhookEvent event) const noexcept {
  if (targets_.empty() || over_) return false;
  const std::vector<std::string>& some = options_.events;
  return some.empty() || std::find(some.begin(), some.end(), label(event)) != some.end();
}

void Webhooks::member_joined(const signal::MemberEvent& member) {
  if (wants(WebhookEvent::MemberJoined)) tell(WebhookEvent::MemberJoined, member.room, about(member).end());
}

void Webhooks::member_left(const signal::MemberEvent& member, signal::LeaveReason why) {
  if (!wants(WebhookEvent::MemberLeft)) return;
  tell(WebhookEvent::MemberLeft, member.room, about(member).text("reason", label(why)).end());
}

void Webhooks::room_opened(std::string_view room) {
  if (wants(WebhookEvent::RoomOpened))
    tell(WebhookEvent::RoomOpened, room, Object().text("room", room).end());
}

void Webhooks::room_emptied(std::string_view room) {
  if (wants(WebhookEvent::RoomEmpty)) tell(WebhookEvent::RoomEmpty, room, Object().text("room", room).end());
}

void Webhooks::allocation_ended(const turn::AllocationEvent& event) {
  if (!wants_allocations_.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(mutex_);
  if (ended_.size() >= kMaxEnded) {
    ++ended_dropped_;
    return;
  }
  ended_.push_back(event);
  if (ended_.size() == 1) asio::post(context_, [this] { collect(); });
}

void Webhooks::collect() {
  std::vector<turn::AllocationEvent> ended;
  {
    const std::lock_guard lock(mutex_);
    ended.swap(ended_);
  }
  if (!wants(WebhookEvent::AllocationEnded)) return;
  for (const turn::AllocationEvent& event : ended) {
    const std::string& key = event.room.empty() ? event.username : event.room;
    tell(WebhookEvent::AllocationEnded, key, about(event));
  }
}

void Webhooks::tell(WebhookEvent event, std::string_view key, std::string_view data) {
  ++counters_.events[static_cast<std::size_t>(event)];
  const Now now = net::now();
  auto post = std::make_shared<WebhookPost>();
  post->id = "evt_" + base64url(random_.bytes<18>());
  post->body = Object()
                   .text("id", post->id)
                   .text("type", label(event))
                   .text("timestamp", date_of(now.wall))
                   .text("node", node_)
                   .raw("data", data)
                   .end();
  const std::uint64_t lane = mix64(std::hash<std::string_view>()(key), seed_);
  for (const auto& target : targets_) {
    counters_.dropped[static_cast<std::size_t>(WebhookDrop::Full)] +=
        target->queue.push(now.mono, lane, post);
    pump(target);
  }
}

// Posting.

void Webhooks::pump(const std::shared_ptr<Target>& target) {
  if (target->closed) return;
  const TimePoint now = net::now().mono;
  while (const auto sending = target->queue.next(now)) send(target, *sending);
  wait(target);
}

void Webhooks::send(const std::shared_ptr<Target>& target, const WebhookQueue::Sending& sending) {
  const WallTime time = net::now().wall;
  const WebhookPost& post = *sending.post;
  std::string signatures;
  for (const std::string& key : keys_)
    signatures += (signatures.empty() ? "" : " ") + webhook_signature(key, post.id, time, post.body);
  net::HttpCaller::Fields fields{{"webhook-id", post.id},
                                 {"webhook-timestamp", std::to_string(time.time_since_epoch().count())},
                                 {"webhook-signature", std::move(signatures)}};
  target->caller->post(
      post.body, std::move(fields),
      [this, target, lane = sending.lane](const net::HttpReply& reply) { replied(target, lane, reply); });
}

void Webhooks::replied(const std::shared_ptr<Target>& target, std::size_t lane, const net::HttpReply& reply) {
  const bool answered = reply.kind == net::HttpReply::Kind::Answered;
  const TimePoint now = net::now().mono;
  if (answered && reply.status / 100 == 2) {
    ++counters_.delivered;
    target->queue.settle(lane);
  } else {
    ++counters_.failed;
    if (answered && reply.status == kGone) {
      ++counters_.dropped[static_cast<std::size_t>(WebhookDrop::Gone)];
      target->queue.settle(lane);
    } else if (!target->queue.retry(now, lane, options_.retry_time, random_)) {
      ++counters_.dropped[static_cast<std::size_t>(WebhookDrop::Late)];
    }
    if (!target->reported || now - *target->reported >= kReportPause) {
      target->reported = now;
      const std::string why = answered ? "status " + std::to_string(reply.status) : reply.trouble;
      const auto url = HttpUrl::parse(target->url);
      // A URL's path and query may hold a secret.
      log::warn("a webhook was not taken", {{"host", url ? url->authority() : ""}, {"reason", why}});
    }
  }
  pump(target);
  if (finishing_) end_if_idle();
}

void Webhooks::wait(const std::shared_ptr<Target>& target) {
  const auto due = target->queue.next_due();
  if (!due) return;
  target->timer.expires_after(std::max(*due - net::now().mono, Duration::zero()));
  target->timer.async_wait([this, target](const boost::system::error_code& error) {
    if (!error && !target->closed) pump(target);
  });
}

// The end.

void Webhooks::finish() {
  if (std::exchange(finishing_, true)) return;
  last_call_.expires_after(kLastCall);
  last_call_.async_wait([this](const boost::system::error_code& error) {
    if (!error) end();
  });
  // What ended allocations have posted comes first.
  asio::post(context_, [this] { end_if_idle(); });
}

void Webhooks::end_if_idle() {
  const bool idle = std::all_of(targets_.begin(), targets_.end(),
                                [](const auto& target) { return target->queue.size() == 0; });
  if (idle) end();
}

void Webhooks::end() {
  if (std::exchange(over_, true)) return;
  wants_allocations_ = false;
  last_call_.cancel();
  for (const auto& target : targets_) {
    target->closed = true;
    target->timer.cancel();
    target->caller->stop();
    counters_.dropped[static_cast<std::size_t>(WebhookDrop::Stopped)] += target->queue.size();
  }
}

net::WebhookCounters Webhooks::counters() const {
  net::WebhookCounters out = counters_;
  for (const auto& target : targets_) out.waiting += target->queue.size();
  const std::lock_guard lock(mutex_);
  out.dropped[static_cast<std::size_t>(WebhookDrop::Churn)] += ended_dropped_;
  return out;
}

}  // namespace ts::app
