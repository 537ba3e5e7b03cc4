// SPDX-License-Identifier: Apache-2.0
// The admin API up to what it does: who may ask, which request means what, and the OpenAPI document of it.
// Pure. What a call does is the composition's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <turnstone/admin/health.hpp>
#include <turnstone/base/result.hpp>

namespace ts::admin {

/// What of an HTTP request is looked at. Fields that are not there are empty.
struct Request {
  std::string method;
  /// Not decoded.
  std::string path;
  std::string query;
  std::string body;
  std::string authorization;
  std::string host;
  std::string origin;
  std::string fetch_site;
  std::string content_type;
};

/// Who may ask.
struct Access {
  /// Empty: nobody.
  std::string token;
  /// Names in Host, besides addresses and localhost.
  std::vector<std::string> hosts;
};

/// Why a request is not answered because of its Host alone, whatever it is for; nothing: the name is ours.
std::optional<Response> misdirected(const Request& request, const Access& access);

/// Why a request is not answered; nothing: it may be. The token is compared in constant time. A name in Host
/// that is not ours, and a page of another origin, are refused whatever they show: a browser was talked into
/// it.
std::optional<Response> refuse(const Request& request, const Access& access);

enum class Operation : std::uint8_t {
  Status,
  Stats,
  ShowHistory,
  ListTop,
  ListAllocations,
  ShowAllocation,
  EndAllocation,
  ListRooms,
  CloseRoom,
  ListMembers,
  RemoveMember,
  Revoke,
  Drain,
  Undrain,
  Reload,
  ShowLogLevel,
  SetLogLevel,
  ShowConfig,
  OpenApi
};

/// What a count may be if nobody says less: a time that a clock can show, the year 9999's last second.
inline constexpr std::uint64_t kMostCount = 253'402'300'799;

struct Parameter {
  enum class In : std::uint8_t { Path, Query, Body };
  enum class Type : std::uint8_t { Text, Count };
  In in = In::Query;
  std::string_view name;
  std::string_view doc;
  bool required = false;
  Type type = Type::Text;
  /// Of a text: the ones that there are; empty: any.
  std::vector<std::string_view> one_of = {};
  /// Of a count.
  std::uint64_t least = 0;
  std::uint64_t most = kMostCount;
};

struct Route {
  Operation operation{};
  std::string_view method;
  /// "/v1/allocations/{id}"
  std::string_view path;
  /// operationId
  std::string_view name;
  std::string_view summary;
  std::vector<Parameter> parameters;
  /// Of a success.
  int status = 200;
};

/// All routes, in the order of the document. Valid for the life of the program.
std::span<const Route> routes();

/// Items of a page, if nobody says how many; and at most.
inline constexpr std::uint32_t kPage = 100;
inline constexpr std::uint32_t kMaxPage = 1000;
inline constexpr std::size_t kMaxValueBytes = 1024;

/// What a request asks for.
struct Call {
  Operation operation{};
  /// Decoded parameters by name.
  std::map<std::string, std::string, std::less<>> values;

  /// Empty: it was not given.
  std::string_view text(std::string_view name) const noexcept;
  std::uint64_t count(std::string_view name, std::uint64_t otherwise) const noexcept;
  /// `limit`, from 1 to kMaxPage.
  std::uint32_t limit() const noexcept;
};

/// The call that a request is, or why it is none (400, 404, 405, 415). All values are of their types.
Result<Call, Response> route(const Request& request);

/// {"error":code,"message":message}
Response error(int status, std::string_view code, std::string_view message);

/// OpenAPI 3.1, made of routes(); JSON.
std::string openapi(std::string_view version);

}  // namespace ts::admin
