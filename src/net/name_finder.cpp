// SPDX-License-Identifier: Apache-2.0
#include "name_finder.hpp"

#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <netdb.h>

namespace ts::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// Names whose answer is still to come, a thread each.
constexpr std::size_t kMaxSearches = 16;

error_code error_of(int code) noexcept {
  switch (code) {
    case EAI_AGAIN: return asio::error::host_not_found_try_again;
    case EAI_FAIL: return asio::error::no_recovery;
    case EAI_MEMORY: return asio::error::no_memory;
    case EAI_SYSTEM: return {errno, boost::system::system_category()};
    default: return asio::error::host_not_found;
  }
}

/// Without a port. It may take minutes.
error_code ask_system(const std::string& host, NameFinder::Endpoints& out) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), nullptr, &wanted, &list); code != 0) return error_of(code);
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    tcp::endpoint endpoint;
    if (one->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), one->ai_addr, one->ai_addrlen);
    endpoint.resize(one->ai_addrlen);
    out.push_back(endpoint);
  }
  ::freeaddrinfo(list);
  return out.empty() ? error_code(asio::error::host_not_found) : error_code();
}

}  // namespace

NameWait::NameWait(asio::io_context& context) : timer_(context, asio::steady_timer::time_point::max()) {}

void NameWait::cancel() noexcept {
  cancelled_ = true;
  timer_.cancel();
}

struct NameFinder::Search {
  explicit Search(asio::io_context& io) : context(&io) {}
  /// The answer goes nowhere from now on.
  void leave() noexcept {
    const std::lock_guard lock(mutex);
    context = nullptr;
  }

  std::mutex mutex;
  asio::io_context* context;
  // Of the io_context's thread.
  std::vector<NameWait*> waiting;
  bool done = false;
  error_code error;
  Endpoints endpoints;
};

/// Among those who wait, as long as it lives: a coroutine may end where it waits.
struct NameFinder::Place {
  Place(std::shared_ptr<Search> where, NameWait& who) : search(std::move(where)), wait(&who) {
    search->waiting.push_back(wait);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { std::erase(search->waiting, wait); }
  const std::shared_ptr<Search> search;
  NameWait* const wait;
};

std::shared_ptr<NameFinder::Search> NameFinder::search_for(const std::string& host) {
  const auto known = searches_.find(host);
  if (known != searches_.end()) {
    // Its answer came when nobody waited any more: who knows how long ago.
    const bool stale = known->second->done && known->second->waiting.empty();
    if (!stale) return known->second;
    searches_.erase(known);
  }
  if (searches_.size() >= kMaxSearches) return nullptr;
  auto search = std::make_shared<Search>(context_);
  try {
    std::thread([search, host] {
      Endpoints found;
      const error_code error = ask_system(host, found);
      const std::lock_guard lock(search->mutex);
      if (search->context == nullptr) return;
      asio::post(*search->context, [search, error, found = std::move(found)]() mutable {
        search->done = true;
        search->error = error;
        search->endpoints = std::move(found);
        for (NameWait* const wait : search->waiting) wait->timer_.cancel();
      });
    }).detach();
  } catch (const std::system_error&) {
    return nullptr;  // the system has no thread to give
  }
  searches_.emplace(host, search);
  return search;
}

asio::awaitable<error_code> NameFinder::find(const std::string& host, std::uint16_t port, NameWait& wait,
                                             Endpoints& out) {
  constexpr auto token = asio::as_tuple(asio::use_awaitable);
  if (stopped_ || wait.cancelled_) co_return error_code(asio::error::operation_aborted);
  error_code not_a_number;
  const auto address = asio::ip::make_address(host, not_a_number);
  if (!not_a_number) {
    out.assign(1, tcp::endpoint(address, port));
    co_return error_code();
  }
  const std::shared_ptr<Search> search = search_for(host);
  if (search == nullptr) co_return error_code(asio::error::host_not_found_try_again);
  {
    const Place place(search, wait);
    while (!search->done && !wait.cancelled_ && !stopped_) co_await wait.timer_.async_wait(token);
  }
  // The next one asks anew.
  const auto known = searches_.find(host);
  if (search->done && known != searches_.end() && known->second == search) searches_.erase(known);
  if (stopped_ || wait.cancelled_) co_return error_code(asio::error::operation_aborted);
  if (search->error) co_return search->error;
  out = search->endpoints;
  for (tcp::endpoint& endpoint : out) endpoint.port(port);
  co_return error_code();
}

void NameFinder::stop() noexcept {
  stopped_ = true;
  for (const auto& [host, search] : std::exchange(searches_, {})) {
    search->leave();
    for (NameWait* const wait : search->waiting) wait->timer_.cancel();
  }
}

}  // namespace ts::net
