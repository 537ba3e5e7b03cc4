// SPDX-License-Identifier: Apache-2.0
#include "admin_server.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <turnstone/app/logging.hpp>
#include <turnstone/config/schema.hpp>
#include <turnstone/metrics/snapshot.hpp>
#include <turnstone/net/clock.hpp>

#include "admin_json.hpp"
#include "ask_shard.hpp"
#include "console_page.hpp"
#include "start_problem.hpp"

namespace ts::app {
namespace {

namespace asio = boost::asio;
using admin::Operation;
using admin::Response;

/// What graphs show at once when somebody opens the console: ten minutes.
constexpr std::chrono::seconds kSampled{5};
constexpr std::size_t kSamples = 120;
/// Places of allocations that one turn of a shard looks at, and turns of one request: what is beyond has a
/// cursor.
constexpr std::uint32_t kLookedAtOnce = 256;
constexpr int kTurns = 128;
constexpr std::uint32_t kRoomsLookedAt = 4096;
constexpr std::size_t kMaxReasonBytes = signal::kMaxReasonBytes;

Response busy() { return admin::error(503, "busy", "a thread of the server did not answer in time"); }
Response gone(const char* what) { return admin::error(404, "not_found", what); }

net::HttpOptions http_options() {
  net::HttpOptions out;
  out.assets = false;
  out.max_connections = 64;
  // Whoever has no token must not keep the operator out.
  out.strangers_give_way = true;
  out.header_timeout = out.body_timeout = out.idle_timeout = std::chrono::seconds(5);
  return out;
}

/// What a change is about, for the log. A credential is half of a secret.
std::string subject_of(const admin::Call& call) {
  std::string out(call.text("kind"));
  if (call.operation == Operation::Revoke && out != "credential")
    out.append(1, ' ').append(call.text("name"));
  if (call.operation == Operation::SetLogLevel) out = call.text("level");
  if (call.operation == Operation::CloseRoom) out = call.text("room");
  if (call.operation == Operation::RemoveMember)
    out.append(call.text("peer")).append(" of ").append(call.text("room"));
  return out;
}

/// Where a list of rooms or members goes on; nothing: that is none.
std::optional<std::uint64_t> offset_of(const admin::Call& call) {
  const std::string_view text = call.text("cursor");
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  const bool whole = text.empty() || (error == std::errc() && end == text.data() + text.size());
  return whole ? std::optional(out) : std::nullopt;
}

Response bad_cursor() { return admin::error(400, "bad_request", "cursor: `next` of a page is needed"); }

admin::Request to_admin(const net::HttpRequest& request) {
  admin::Request out;
  out.method = request.method == "HEAD" ? "GET" : request.method;
  out.path = request.path;
  out.query = request.query;
  out.body = request.body;
  out.authorization = request.header("Authorization");
  out.host = request.header("Host");
  out.origin = request.header("Origin");
  out.fetch_site = request.header("Sec-Fetch-Site");
  out.content_type = request.header("Content-Type");
  return out;
}

net::HttpResponse to_http(Response response) {
  net::HttpResponse out(static_cast<unsigned>(response.status), std::move(response.content_type),
                        std::move(response.body));
  if (response.status == 401) out.fields.emplace_back("WWW-Authenticate", "Bearer");
  if (!response.allow.empty()) out.fields.emplace_back("Allow", std::move(response.allow));
  return out;
}

Json list_of(const std::vector<std::string>& texts) {
  Json out = Json::array();
  for (const std::string& text : texts) out.push_back(text);
  return out;
}

}  // namespace

AdminServer::AdminServer(World world, const config::AdminOptions& options)
    : world_(std::move(world)),
      http_(world_.context, http_options(), handlers(), nullptr, nullptr),
      started_(std::chrono::steady_clock::now()),
      history_(kSamples),
      sampler_(world_.context) {
  use(options);
  auto made = net::HttpListener::make(world_.context, Endpoint{options.bind, options.port},
                                      [this](net::DetachedStream stream) { http_.serve(std::move(stream)); });
  if (!made) throw StartProblem("admin: " + made.error() + " (admin.bind, admin.port)");
  listener_ = std::move(*made);
}

net::HttpHandlers AdminServer::handlers() {
  net::HttpHandlers out;
  out.any = [this](const net::HttpRequest& request) { return respond(request); };
  return out;
}

void AdminServer::start() {
  listener_->start();
  sample_later();
}

void AdminServer::stop() {
  stopped_ = true;
  sampler_.cancel();
  listener_->stop();
  http_.stop();
}

void AdminServer::use(const config::AdminOptions& options) {
  access_ = admin::Access{options.token, options.allowed_hosts};
}

admin::Facts AdminServer::facts() const {
  admin::Facts out = world_.facts();
  const auto up = std::chrono::steady_clock::now() - started_;
  out.uptime_seconds = std::chrono::duration<double>(up).count();
  out.time = net::now().wall.time_since_epoch().count();
  out.threads = world_.shards.size();
  out.sessions = world_.sessions();
  return out;
}

void AdminServer::sample_later() {
  sampler_.expires_after(kSampled);
  sampler_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopped_) return;
    // A shard that is busy leaves a gap.
    world_.snapshot([this](const metrics::Snapshot& all) { history_.add(admin::moment_of(all, facts())); });
    sample_later();
  });
}

/// At most one line a second, however many try.
void AdminServer::log_refused(const net::HttpRequest& request, int status) {
  ++refusals_;
  const auto now = std::chrono::steady_clock::now();
  if (now - refusals_told_ < std::chrono::seconds(1)) return;
  refusals_told_ = now;
  log::warn("admin request refused",
            {{"client", request.remote.to_string()}, {"status", status}, {"refused", refusals_}});
}

asio::awaitable<net::HttpResponse> AdminServer::respond(const net::HttpRequest& request) {
  const admin::Request asked = to_admin(request);
  if (auto page = console_page(request)) {
    auto misdirected = admin::misdirected(asked, access_);
    if (!misdirected) co_return std::move(*page);
    log_refused(request, misdirected->status);
    co_return to_http(*std::move(misdirected));
  }
  if (auto refused = admin::refuse(asked, access_)) {
    log_refused(request, refused->status);
    co_return to_http(*std::move(refused));
  }
  auto call = admin::route(asked);
  if (!call) co_return to_http(std::move(call).error());
  const bool changes = asked.method != "GET";
  const auto tell = [&](int status) {
    log::write(changes ? log::Level::Info : log::Level::Debug, "admin request",
               {{"client", request.remote.to_string()},
                {"method", asked.method},
                {"path", asked.path},
                {"subject", subject_of(*call)},
                {"status", status}});
  };
  // Afterwards nobody might hear of it.
  const bool silences = call->operation == Operation::SetLogLevel;
  if (silences) tell(200);
  Response done = co_await perform(*call);
  if (!silences) tell(done.status);
  co_return to_http(std::move(done));
}

AdminServer::Answer AdminServer::perform(const admin::Call& call) {
  switch (call.operation) {
    case Operation::Status: co_return co_await status();
    case Operation::Stats: co_return co_await stats();
    case Operation::ShowHistory: co_return Response{200, "application/json", history_.json()};
    case Operation::ListTop: co_return co_await list_top();
    case Operation::ListAllocations: co_return co_await list_allocations(call);
    case Operation::ShowAllocation: co_return co_await show_allocation(call);
    case Operation::EndAllocation: co_return co_await end_allocation(call);
    case Operation::ListRooms: co_return list_rooms(call);
    case Operation::CloseRoom: co_return close_room(call);
    case Operation::ListMembers: co_return list_members(call);
    case Operation::RemoveMember: co_return remove_member(call);
    case Operation::Revoke: co_return revoke(call);
    case Operation::Drain: co_return drain(true);
    case Operation::Undrain: co_return drain(false);
    case Operation::Reload: co_return reload();
    case Operation::SetLogLevel: co_return set_log_level(call);
    case Operation::ShowConfig: co_return Response{200, "application/yaml", world_.config()};
    case Operation::OpenApi:
      co_return Response{200, "application/json", admin::openapi(metrics::build_info().version)};
    case Operation::ShowLogLevel: break;
  }
  Json body = Json::object();
  body["level"] = name_of(log::level());
  co_return answer(body);
}

AdminServer::Answer AdminServer::status() {
  std::uint64_t allocations = 0;
  const std::function<std::size_t(turn::Server&, Now, turn::Outbox&)> count =
      [](turn::Server& server, Now, turn::Outbox&) { return server.allocation_count(); };
  const CallTime time;
  for (const auto& shard : world_.shards) {
    auto counting = ask_shard<std::size_t>(world_.context, *shard, count, time);
    const std::optional<std::size_t> counted = co_await std::move(counting);
    if (!counted) co_return busy();
    allocations += *counted;
  }
  const auto up = std::chrono::steady_clock::now() - started_;
  Json body = Json::object();
  body["version"] = metrics::build_info().version;
  body["uptime_seconds"] = std::chrono::duration<double>(up).count();
  body["draining"] = world_.is_draining();
  body["allocations"] = allocations;
  body["sessions"] = world_.sessions();
  body["rooms"] = world_.router.counters().rooms;
  body["threads"] = world_.shards.size();
  co_return answer(body);
}

AdminServer::Answer AdminServer::stats() {
  struct Asked {
    explicit Asked(asio::io_context& io) : here(io, kShardLimit) {}
    asio::steady_timer here;
    std::optional<metrics::Snapshot> all;
  };
  const auto asked = std::make_shared<Asked>(world_.context);
  world_.snapshot([asked](const metrics::Snapshot& all) {
    asked->all = all;
    asked->here.cancel();
  });
  const auto token = asio::as_tuple(asio::use_awaitable);
  co_await asked->here.async_wait(token);
  if (!asked->all) co_return busy();
  asked->all->process = world_.process.now();
  co_return Response{200, "application/json", admin::stats(*asked->all, facts())};
}

AdminServer::Answer AdminServer::list_top() {
  auto looking = top_talkers(talkers_, world_.context, world_.shards);
  std::optional<Response> found = co_await std::move(looking);
  if (!found) co_return busy();
  co_return *std::move(found);
}

AdminServer::Answer AdminServer::list_allocations(const admin::Call& call) {
  auto cursor = AllocationCursor::parse(call.text("cursor"));
  if (!cursor) co_return bad_cursor();
  const auto filter = filter_of(call);
  if (!filter) co_return filter.error();
  const std::size_t most = call.limit();
  Json items = Json::array();
  const CallTime time;
  // Out of turns or time: the page is short, and has a cursor.
  const auto may_go_on = [&](int turn) { return turn == 0 || (turn < kTurns && !time.is_over()); };
  for (int turn = 0; may_go_on(turn) && cursor->shard < world_.shards.size() && items.size() < most; ++turn) {
    const std::size_t room = most - items.size();
    const std::uint32_t from = cursor->index;
    std::function<turn::AllocationPage(turn::Server&, Now, turn::Outbox&)> look =
        [wanted = *filter, from, room](turn::Server& server, Now now, turn::Outbox&) {
          return server.list(wanted, from, kLookedAtOnce, room, now.mono);
        };
    auto looking =
        ask_shard<turn::AllocationPage>(world_.context, *world_.shards[cursor->shard], std::move(look), time);
    const std::optional<turn::AllocationPage> page = co_await std::move(looking);
    if (!page) co_return busy();
    for (const turn::AllocationView& view : page->found) items.push_back(to_json(cursor->shard, view));
    if (page->next) {
      cursor->index = *page->next;
    } else {
      ++cursor->shard;
      cursor->index = 0;
    }
  }
  Json body = Json::object();
  body["allocations"] = std::move(items);
  if (cursor->shard < world_.shards.size()) body["next"] = cursor->to_string();
  co_return answer(body);
}

AdminServer::Answer AdminServer::show_allocation(const admin::Call& call) {
  const auto name = AllocationName::parse(call.text("id"));
  if (!name || name->shard >= world_.shards.size()) co_return gone("there is no such allocation (any more)");
  auto looking = ask_detail(world_.context, *world_.shards[name->shard], name->handle);
  const auto found = co_await std::move(looking);
  if (!found) co_return busy();
  if (!*found) co_return gone("there is no such allocation (any more)");
  co_return answer(to_json(name->shard, **found));
}

AdminServer::Answer AdminServer::end_allocation(const admin::Call& call) {
  const auto name = AllocationName::parse(call.text("id"));
  if (!name || name->shard >= world_.shards.size()) co_return gone("there is no such allocation (any more)");
  std::function<bool(turn::Server&, Now, turn::Outbox&)> act =
      [handle = name->handle](turn::Server& server, Now now, turn::Outbox& out) {
        return server.end_allocation(now, handle, out);
      };
  auto acting = ask_shard<bool>(world_.context, *world_.shards[name->shard], std::move(act));
  const auto ended = co_await std::move(acting);
  if (!ended) co_return busy();
  if (!*ended) co_return gone("there is no such allocation (any more)");
  Json body = Json::object();
  body["ended"] = name->to_string();
  co_return answer(body);
}

Response AdminServer::list_rooms(const admin::Call& call) const {
  const auto from = offset_of(call);
  if (!from || *from > UINT32_MAX) return bad_cursor();
  const signal::RoomPage page = world_.router.rooms(call.text("prefix"), static_cast<std::uint32_t>(*from),
                                                    kRoomsLookedAt, call.limit());
  Json body = Json::object();
  body["rooms"] = Json::array();
  for (const signal::RoomSummary& room : page.found) body["rooms"].push_back(to_json(room));
  if (page.next) body["next"] = std::to_string(*page.next);
  return answer(body);
}

Response AdminServer::list_members(const admin::Call& call) const {
  const auto from = offset_of(call);
  if (!from) return bad_cursor();
  const auto page = world_.router.members(call.text("room"), *from, call.limit());
  if (!page) return gone("there is no such room");
  Json body = Json::object();
  body["room"] = call.text("room");
  body["total"] = page->total;
  body["members"] = Json::array();
  for (const signal::MemberSummary& member : page->found) body["members"].push_back(to_json(member));
  if (page->next) body["next"] = std::to_string(*page->next);
  return answer(body);
}

Response AdminServer::close_room(const admin::Call& call) {
  const std::string_view reason = call.text("reason");
  if (reason.size() > kMaxReasonBytes) return admin::error(400, "bad_request", "reason is too long");
  signal::Outbox said;
  const auto stay = world_.router.close_room(net::now(), call.text("room"), reason, said);
  if (!stay) return gone("there is no such room");
  world_.tell_members(said);
  Json body = Json::object();
  body["closed"] = call.text("room");
  // Members of nodes that do not hear of it now.
  if (*stay > 0) body["out_of_reach"] = *stay;
  return answer(body);
}

Response AdminServer::remove_member(const admin::Call& call) {
  const std::string_view reason = call.text("reason");
  if (reason.size() > kMaxReasonBytes) return admin::error(400, "bad_request", "reason is too long");
  signal::Outbox said;
  const auto removed = world_.router.remove(net::now(), call.text("room"), call.text("peer"), reason, said);
  if (!removed && removed.error().retry_after.count() > 0)
    return admin::error(503, "out_of_reach", "the member's node cannot be reached now; try again");
  if (!removed) return gone("there is no such member in that room");
  world_.tell_members(said);
  Json body = Json::object();
  body["removed"] = call.text("peer");
  return answer(body);
}

Response AdminServer::revoke(const admin::Call& call) {
  const auto kind = revocation_kind(call.text("kind"));
  if (!kind) return admin::error(400, "bad_request", "kind: credential, user, room or member is needed");
  turn::Revocation revocation;
  revocation.kind = *kind;
  revocation.name = call.text("name");
  if (!call.text("until").empty()) {
    const WallTime end{std::chrono::seconds(call.count("until", 0))};
    if (end <= net::now().wall) return admin::error(400, "bad_request", "until: that is over already");
    revocation.until = end;
  }
  Json body = Json::object();
  body["revoked"] = revocation.name;
  body["kind"] = call.text("kind");
  const turn::Revocation done = world_.revoke(std::move(revocation));
  // Null: as long as this process runs.
  body["until"] = nullptr;
  if (done.until != WallTime::max()) body["until"] = done.until.time_since_epoch().count();
  return answer(body, 202);
}

Response AdminServer::drain(bool on) {
  if (!world_.drain(on)) {
    return admin::error(409, "conflict",
                        on ? "the server cannot drain now" : "the server does not drain, or ends");
  }
  Json body = Json::object();
  body["draining"] = on;
  return answer(body, 202);
}

Response AdminServer::reload() {
  const ReloadReport report = world_.reload();
  Json body = Json::object();
  if (!report.ok()) {
    body["error"] = "bad_configuration";
    body["message"] = "the new configuration has problems; the former one stays";
    body["problems"] = list_of(report.problems);
    return answer(body, 422);
  }
  body["changed"] = list_of(report.changed);
  body["needs_restart"] = list_of(report.needs_restart);
  body["warnings"] = list_of(report.warnings);
  return answer(body);
}

Response AdminServer::set_log_level(const admin::Call& call) {
  const auto level = log_level(call.text("level"));
  if (!level)
    return admin::error(400, "bad_request", "level: trace, debug, info, warn, error or off is needed");
  log::set_level(*level);
  Json body = Json::object();
  body["level"] = call.text("level");
  return answer(body);
}

}  // namespace ts::app
