// SPDX-License-Identifier: Apache-2.0
// Who may use the admin API, what a request means, and the document that tells so.
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <turnstone/admin/api.hpp>

namespace ts::admin {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const Access kAccess{"0123456789abcdef", {"admin.example.org"}};

Request allowed(std::string method = "GET", std::string path = "/v1/status") {
  Request out;
  out.method = std::move(method);
  out.path = std::move(path);
  out.authorization = "Bearer 0123456789abcdef";
  out.host = "127.0.0.1:8081";
  return out;
}

int refused(const Request& request, const Access& access = kAccess) {
  const auto out = refuse(request, access);
  if (!out) return 0;
  EXPECT_FALSE(json::parse(out->body).at("message").get<std::string>().empty());
  EXPECT_EQ(out->body.find("0123456789abcdef"), std::string::npos);
  return out->status;
}

TEST(Access, OnlyTheVeryToken) {
  Request request = allowed();
  EXPECT_EQ(refused(request), 0);
  request.authorization = "bearer 0123456789abcdef";
  EXPECT_EQ(refused(request), 0) << "a scheme is of either case (RFC 9110 §11.1)";
  for (const char* wrong : {"", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdef0",
                            "Bearer  0123456789abcdef", "Basic 0123456789abcdef", "0123456789abcdef"}) {
    request.authorization = wrong;
    EXPECT_EQ(refused(request), 401) << wrong;
  }
  request.authorization = "Bearer ";
  EXPECT_EQ(refused(request, Access{}), 401) << "no token lets nobody in";
}

TEST(Access, HostsThatAreNotOursWereReboundByDns) {
  Request request = allowed();
  for (const char* host : {"127.0.0.1", "127.0.0.1:8081", "[::1]:8081", "[::1]", "localhost", "LocalHost:1",
                           "10.0.0.9:8081", "admin.example.org:8081", "Admin.Example.Org"}) {
    request.host = host;
    EXPECT_EQ(refused(request), 0) << host;
    EXPECT_FALSE(misdirected(request, Access{"", kAccess.hosts})) << host << ", whoever asks";
  }
  for (const char* host : {"", ":8081", "evil.example", "evil.example:8081", "localhost.evil.example",
                           "127.0.0.1.evil.example", "[evil]", "[::1", "admin.example.org.evil"}) {
    request.host = host;
    EXPECT_EQ(refused(request), 421) << host;
    EXPECT_TRUE(misdirected(request, kAccess)) << host;
  }
}

TEST(Access, PagesOfOtherOriginsAreRefused) {
  Request request = allowed();
  for (const char* origin :
       {"https://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8081"}) {
    request.origin = origin;
    EXPECT_EQ(refused(request), 403) << origin;
  }
  request.origin = "http://127.0.0.1:8081";
  EXPECT_EQ(refused(request), 0);
  request.fetch_site = "cross-site";
  EXPECT_EQ(refused(request), 403);
  request.origin.clear();
  EXPECT_EQ(refused(request), 403);
  request.fetch_site = "none";
  EXPECT_EQ(refused(request), 0);
}

int status_of(const Request& request) {
  const auto call = route(request);
  return call ? 0 : call.error().status;
}

TEST(Route, PathsAndMethods) {
  EXPECT_EQ(route(allowed())->operation, Operation::Status);
  EXPECT_EQ(status_of(allowed("GET", "/")), 404);
  EXPECT_EQ(status_of(allowed("GET", "")), 404);
  EXPECT_EQ(status_of(allowed("GET", "/v1/status/")), 0) << "a slash at the end names nothing more";
  EXPECT_EQ(status_of(allowed("GET", "/v1/status/x")), 404);
  EXPECT_EQ(status_of(allowed("POST", "/v1/status")), 405);
  const auto wrong = route(allowed("PATCH", "/v1/drain"));
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().body, HasSubstr("POST, DELETE"));
  EXPECT_EQ(wrong.error().allow, "POST, DELETE") << "RFC 9110 §15.5.6 MUST";
  EXPECT_EQ(route(allowed("POST", "/v1/status")).error().allow, "GET, HEAD");
  const auto call = route(allowed("DELETE", "/v1/rooms/a%2Fb+c/members/%C3%A9"));
  ASSERT_TRUE(call);
  EXPECT_EQ(call->operation, Operation::RemoveMember);
  EXPECT_EQ(call->text("room"), "a/b+c");
  EXPECT_EQ(call->text("peer"), "\xC3\xA9");
  EXPECT_EQ(status_of(allowed("DELETE", "/v1/rooms/%zz")), 404);
  EXPECT_EQ(status_of(allowed("DELETE", "/v1/rooms//members/x")), 404);
}

// What normalises paths (nginx with a URI in proxy_pass, a browser) decodes %2F and takes ".." for a step.
TEST(Route, NamesThatAPathCannotCarryStandInTheQuery) {
  for (const char* name : {"tea/members/bob", "x/../..", "..", ".", "a?b#c%2F", "//"}) {
    std::string escaped;
    for (const char c : std::string_view(name)) {
      const auto byte = static_cast<unsigned char>(c);
      escaped += {'%', "0123456789ABCDEF"[byte >> 4U], "0123456789ABCDEF"[byte & 15U]};
    }
    Request request = allowed("DELETE", "/v1/rooms");
    request.query = "room=" + escaped + "&reason=bye";
    const auto close = route(request);
    ASSERT_TRUE(close) << name;
    EXPECT_EQ(close->operation, Operation::CloseRoom);
    EXPECT_EQ(close->text("room"), name);
    request = allowed("DELETE", "/v1/members");
    request.query = "room=tea&peer=" + escaped;
    const auto kick = route(request);
    ASSERT_TRUE(kick) << name;
    EXPECT_EQ(kick->operation, Operation::RemoveMember);
    EXPECT_EQ(kick->text("room"), "tea");
    EXPECT_EQ(kick->text("peer"), name);
    request = allowed("GET", "/v1/members");
    request.query = "limit=5&room=" + escaped;
    const auto list = route(request);
    ASSERT_TRUE(list) << name;
    EXPECT_EQ(list->operation, Operation::ListMembers);
    EXPECT_EQ(list->text("room"), name);
    EXPECT_EQ(list->limit(), 5U);
  }
  Request lost = allowed("DELETE", "/v1/rooms");
  EXPECT_EQ(status_of(lost), 400) << "a query that was lost on the way closes nothing";
  lost.query = "room=";
  EXPECT_EQ(status_of(lost), 400);
  lost = allowed("DELETE", "/v1/members");
  lost.query = "room=tea";
  EXPECT_EQ(status_of(lost), 400) << "nor does half of it";
  lost.query = "peer=bob";
  EXPECT_EQ(status_of(lost), 400);
  lost = allowed("DELETE", "/v1/rooms/tea");
  lost.query = "room=coffee";
  EXPECT_EQ(status_of(lost), 400) << "one name, at one place";
}

TEST(Route, Queries) {
  Request request = allowed("GET", "/v1/allocations");
  request.query = "user=al+ice&limit=7&cursor=0-12";
  auto call = route(request);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->text("user"), "al ice");
  EXPECT_EQ(call->limit(), 7U);
  for (const auto& [query, limit] :
       {std::pair("", kPage), std::pair("limit=1", 1U), std::pair("limit=1000", kMaxPage)}) {
    request.query = query;
    EXPECT_EQ(route(request)->limit(), limit) << query;
  }
  for (const char* query :
       {"limit=x", "limit=-1", "limit=1&limit=2", "nobody=1", "user=%", "limit=99999999999999999999", "id=1",
        "limit=0", "limit=1001", "limit=7x", "transport=pigeon"}) {
    request.query = query;
    EXPECT_EQ(status_of(request), 400) << query;
  }
}

TEST(Route, Bodies) {
  Request request = allowed("POST", "/v1/revocations");
  request.body = R"({"kind":"user","name":"alice","until":1900000000})";
  EXPECT_EQ(status_of(request), 415) << "a form of a page would have no such type";
  request.content_type = "application/json";
  const auto call = route(request);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->text("name"), "alice");
  EXPECT_EQ(call->count("until", 0), 1'900'000'000U);
  for (const char* body :
       {"", "[]", "null", "{", R"({"kind":"user"})", R"({"kind":"user","name":""})",
        R"({"kind":"user","name":["a"]})", R"({"kind":"user","name":"a","more":"b"})",
        R"({"kind":"user","name":"a","until":"soon"})", R"({"kind":"user","name":"a","until":-1})",
        R"({"kind":"user","name":"a","until":"1900000000"})", R"({"kind":"user","name":7})",
        R"({"kind":"planet","name":"a"})", R"({"kind":"user","name":"a","name":"b"})",
        R"({"kind":"user","name":"a","until":253402300800})"}) {
    request.body = body;
    EXPECT_EQ(status_of(request), 400) << body;
  }
  request.body = std::string(30'000, '[');
  EXPECT_EQ(status_of(request), 400);
}

// RFC 9110 §8.3.1: "The type and subtype tokens are case-insensitive."
TEST(Route, MediaTypes) {
  Request request = allowed("POST", "/v1/revocations");
  request.body = R"({"kind":"user","name":"alice"})";
  for (const char* good :
       {"application/json", "Application/JSON", "application/json; charset=utf-8", "application/json ;x=y"}) {
    request.content_type = good;
    EXPECT_EQ(status_of(request), 0) << good;
  }
  for (const char* wrong :
       {"application/jsonp", "application/json-patch+json", "text/json", "application/jso"}) {
    request.content_type = wrong;
    EXPECT_EQ(status_of(request), 415) << wrong;
  }
}

TEST(OpenApi, HasEveryRouteAndNothingElse) {
  const json document = json::parse(openapi("1.2.3"));
  EXPECT_EQ(document.at("openapi"), "3.1.0");
  EXPECT_EQ(document.at("info").at("version"), "1.2.3");
  std::set<std::string> told;
  for (const auto& [path, methods] : document.at("paths").items()) {
    for (const auto& [method, operation] : methods.items()) {
      told.insert(method + ' ' + path);
      EXPECT_FALSE(operation.at("operationId").get<std::string>().empty());
      EXPECT_TRUE(operation.at("responses").contains("default"));
      std::size_t in_path = 0;
      for (const auto& parameter : operation.value("parameters", json::array())) {
        if (parameter.at("in") != "path") continue;
        ++in_path;
        EXPECT_THAT(path, HasSubstr('{' + parameter.at("name").get<std::string>() + '}'));
      }
      EXPECT_EQ(static_cast<std::size_t>(std::count(path.begin(), path.end(), '{')), in_path) << path;
    }
  }
  std::set<std::string> served;
  for (const Route& known : routes()) {
    std::string method(known.method);
    for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    served.insert(method + ' ' + std::string(known.path));
  }
  EXPECT_EQ(told, served);
  const json& revoke = document.at("paths").at("/v1/revocations").at("post").at("requestBody");
  const json& members = revoke.at("content").at("application/json").at("schema").at("properties");
  EXPECT_EQ(members.at("kind").at("enum").size(), 4U);
  EXPECT_EQ(members.at("until").at("type"), "integer");
  EXPECT_EQ(document.at("security").at(0).count("token"), 1U) << "nothing is for everybody";
}

}  // namespace
}  // namespace ts::admin
