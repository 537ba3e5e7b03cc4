// SPDX-License-Identifier: Apache-2.0
// relay.discover against fakes of a cloud's metadata service, of Kubernetes' API server and of a STUN server.

#include "../../src/app/external/discover.hpp"
#include "../../src/app/external/services.hpp"
#include "common/temporary_folder.hpp"
#include "fake_http.hpp"

namespace ts::shell_test {
namespace {

using app::external::discover;
using app::external::Discovery;
using app::external::Surroundings;
using config::AddressSource;

config::DiscoverOptions options(std::vector<AddressSource> sources) {
  config::DiscoverOptions out;
  out.sources = std::move(sources);
  out.timeout = 2000ms;
  return out;
}

/// Addresses that this host can have and sources, a line each.
std::string found(const Discovery& discovery) {
  std::string out;
  for (const auto& one : discovery.found)
    out += one.address.advertised.to_string() + '/' + one.address.local.to_string() + ' ' + one.source + '\n';
  return out;
}

std::string remarks(const Discovery& discovery) {
  std::string out;
  for (const std::string& remark : discovery.remarks) out += remark + '\n';
  return out;
}

/// Where the local address is this one, whatever the routes.
const std::vector<IpAddress> kBind{IpAddress::v4(127, 0, 0, 1)};

Surroundings cloud(const FakeHttpServer& metadata) {
  Surroundings out;
  out.metadata = metadata.local();
  return out;
}

struct Cloud {
  const char* name;
  /// Of the request that gets the address; others get 404.
  std::vector<std::string> parts;
  std::string body;
};

TEST(ExternalAddress, EachCloudIsUnderstood) {
  const Cloud clouds[] = {
      {"Google Cloud",
       {"GET /computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip ",
        "Metadata-Flavor: Google"},
       "203.0.113.7"},
      {"Azure",
       {"GET /metadata/instance/network/interface/0/ipv4/ipAddress/0/publicIpAddress?", "Metadata: true"},
       "203.0.113.7"},
      {"Azure load balancer",
       {"GET /metadata/loadbalancer?", "Metadata: true"},
       R"({"loadbalancer":{"publicIpAddresses":[{"frontendIpAddress":"203.0.113.7","privateIpAddress":"10.0.0.4"}]}})"},
      {"Hetzner", {"GET /hetzner/v1/metadata/public-ipv4 "}, "203.0.113.7\n"},
      {"DigitalOcean", {"GET /metadata/v1/interfaces/public/0/ipv4/address "}, "203.0.113.7"},
      {"OpenStack", {"GET /latest/meta-data/public-ipv4 "}, "203.0.113.7"},
  };
  for (const Cloud& one : clouds) {
    const FakeHttpServer server([&](const std::string& request) {
      const bool asked = std::all_of(one.parts.begin(), one.parts.end(), [&](const std::string& p) {
        return request.find(p) != std::string::npos;
      });
      return asked ? http("200 OK", one.body) : http("404 Not Found", "not here 198.51.100.1");
    });
    const Discovery discovery = discover(options({AddressSource::Metadata}), kBind, cloud(server));
    EXPECT_EQ(found(discovery), std::string("203.0.113.7/127.0.0.1 metadata of ") + one.name + '\n')
        << remarks(discovery);
  }
}

TEST(ExternalAddress, AwsWantsAToken) {
  const FakeHttpServer server([](const std::string& request) {
    if (request.starts_with("PUT /latest/api/token "))
      return request.find("X-aws-ec2-metadata-token-ttl-seconds: 60") != std::string::npos
                 ? http("200 OK", "t0ken")
                 : http("400 Bad Request", "");
    if (!request.starts_with("GET /latest/meta-data/public-ipv4 ")) return http("404 Not Found", "");
    return request.find("X-aws-ec2-metadata-token: t0ken\r\n") != std::string::npos
               ? http("200 OK", "203.0.113.7")
               : http("401 Unauthorized", "");
  });
  const Discovery discovery = discover(options({AddressSource::Metadata}), kBind, cloud(server));
  EXPECT_EQ(found(discovery), "203.0.113.7/127.0.0.1 metadata of AWS\n") << remarks(discovery);
}

TEST(ExternalAddress, ATokenCannotSmuggleFields) {
  const FakeHttpServer server([](const std::string& request) {
    return request.starts_with("PUT ") ? http("200 OK", "t\r\nEvil: yes") : http("404 Not Found", "");
  });
  EXPECT_EQ(found(discover(options({AddressSource::Metadata}), kBind, cloud(server))), "");
  for (const std::string& request : server.requests())
    EXPECT_EQ(request.find("\nEvil"), std::string::npos) << request;
}

TEST(ExternalAddress, NonsenseAndSilenceAreNoAddress) {
  for (const char* answer : {"", "close:", "close:garbage\r\n\r\n",
                             "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n203.0.113.7"}) {
    const FakeHttpServer server([&](const std::string&) { return std::string(answer); });
    config::DiscoverOptions quick = options({AddressSource::Metadata});
    quick.timeout = 200ms;
    const Discovery discovery = discover(quick, kBind, cloud(server));
    EXPECT_EQ(found(discovery), "") << answer;
    EXPECT_NE(remarks(discovery).find("metadata: "), std::string::npos) << answer;
  }
}

TEST(ExternalAddress, NobodyThereIsSaidInWords) {
  // Bound, so that nobody else is there, and silent.
  const Socket closed(SOCK_STREAM, at("127.0.0.1"));
  const Socket silent(SOCK_DGRAM, closed.local());
  ASSERT_TRUE(silent);
  Surroundings nowhere;
  nowhere.metadata = closed.local();
  config::DiscoverOptions all = options({AddressSource::Stun, AddressSource::Metadata, AddressSource::Node});
  all.stun_server = "stun:" + nowhere.metadata.to_string();
  all.timeout = 300ms;
  const Discovery discovery = discover(all, kBind, nowhere);
  EXPECT_EQ(found(discovery), "");
  const std::string text = remarks(discovery);
  EXPECT_TRUE(text.starts_with("node: this is no pod of Kubernetes\nmetadata: nobody at 127.0.0.1:")) << text;
  EXPECT_NE(text.find("\nstun: 127.0.0.1 at 127.0.0.1: "), std::string::npos) << text;
}

TEST(ExternalAddress, WhatWasCutShortIsNoAddress) {
  for (const char* answer : {"close:HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n203.0.113.1",
                             "close:HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n203.0.113.1",
                             "close:HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n203.0.113.1"}) {
    const FakeHttpServer server([&](const std::string&) { return std::string(answer); });
    EXPECT_EQ(found(discover(options({AddressSource::Metadata}), kBind, cloud(server))), "") << answer;
  }
  const FakeHttpServer open_ended(
      [](const std::string&) { return std::string("close:HTTP/1.1 200 OK\r\n\r\n203.0.113.17"); });
  EXPECT_EQ(found(discover(options({AddressSource::Metadata}), kBind, cloud(open_ended))),
            "203.0.113.17/127.0.0.1 metadata of Google Cloud\n");
}

TEST(ExternalAddress, OneServiceThatBreaksOffDoesNotEndTheSearch) {
  const FakeHttpServer server([](const std::string& request) {
    if (request.starts_with("GET /hetzner/")) return http("200 OK", "203.0.113.7");
    return std::string(request.starts_with("PUT ") ? "close:" : "close:nonsense\r\n\r\n");
  });
  EXPECT_EQ(found(discover(options({AddressSource::Metadata}), kBind, cloud(server))),
            "203.0.113.7/127.0.0.1 metadata of Hetzner\n");
}

TEST(ExternalAddress, TheAddressBelongsToWhatTheServerIsBoundTo) {
  const FakeHttpServer server([](const std::string&) { return http("200 OK", "203.0.113.7"); });
  const auto with = [&](const std::vector<IpAddress>& bind) {
    return discover(options({AddressSource::Metadata}), bind, cloud(server));
  };
  EXPECT_EQ(found(with({IpAddress::v4(127, 0, 0, 3), IpAddress::v4(127, 0, 0, 1)})),
            "203.0.113.7/127.0.0.3 metadata of Google Cloud\n");
  const Discovery six = with({*IpAddress::parse("::1")});
  EXPECT_EQ(found(six), "");
  EXPECT_NE(remarks(six).find("listen.bind has no address of that family"), std::string::npos)
      << remarks(six);
}

/// A pod: Kubernetes' API server over TLS, and the directory of the service account.
class Pod {
 public:
  explicit Pod(FakeHttpServer::Reply reply)
      : tls_(*net::TlsContext::self_signed({"localhost"}, {*IpAddress::parse("127.0.0.1")})),
        api_(std::move(reply), at("127.0.0.1"), tls_) {
    write_certificate(*tls_, directory_.at("ca.crt"));
    directory_.write("token", "s3cret\n");
  }

  Surroundings surroundings() const {
    Surroundings out;
    out.kubernetes_host = "127.0.0.1";
    out.kubernetes_port = std::to_string(api_.local().port);
    out.node = "node-1";
    out.account_directory = directory_.path();
    return out;
  }
  const FakeHttpServer& api() const { return api_; }
  const std::filesystem::path& directory() const { return directory_.path(); }

 private:
  std::shared_ptr<const net::TlsContext> tls_;
  FakeHttpServer api_;
  test::TemporaryFolder directory_;
};

const std::string kNode =
    R"({"kind":"Node","status":{"addresses":[{"type":"InternalIP","address":"10.0.0.5"},{"type":"ExternalIP","address":"203.0.113.7"}]}})";

std::string chunked(const std::string& body, std::size_t each) {
  std::string out = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (std::size_t i = 0; i < body.size(); i += each) {
    const std::string part = body.substr(i, each);
    char size[16];
    std::snprintf(size, sizeof size, "%zx\r\n", part.size());
    out += size + part + "\r\n";
  }
  return out + "0\r\n\r\n";
}

TEST(ExternalAddress, KubernetesNodeIsAskedWithThePodsToken) {
  const Pod pod([](const std::string&) { return chunked(kNode, 50); });
  const Discovery discovery = discover(options({AddressSource::Node}), kBind, pod.surroundings());
  EXPECT_EQ(found(discovery), "203.0.113.7/127.0.0.1 Kubernetes' Node\n") << remarks(discovery);
  ASSERT_EQ(pod.api().requests().size(), 1U);
  const std::string request = pod.api().requests().front();
  EXPECT_TRUE(request.starts_with("GET /api/v1/nodes/node-1 HTTP/1.1\r\n")) << request;
  EXPECT_NE(request.find("Authorization: Bearer s3cret\r\n"), std::string::npos) << request;
}

TEST(ExternalAddress, ATokenIsShownToNobodyElse) {
  const Pod pod([](const std::string&) { return http("200 OK", kNode); });
  const Pod other([](const std::string&) { return http("200 OK", kNode); });
  Surroundings deceived = pod.surroundings();
  deceived.kubernetes_port = other.surroundings().kubernetes_port;
  const Discovery discovery = discover(options({AddressSource::Node}), kBind, deceived);
  EXPECT_EQ(found(discovery), "");
  EXPECT_NE(remarks(discovery).find("certificate not accepted"), std::string::npos) << remarks(discovery);
  EXPECT_TRUE(other.api().requests().empty());
}

TEST(ExternalAddress, WhatANodeLacksIsSaid) {
  const auto said = [](const Pod& pod, const Surroundings& where) {
    const std::string out = remarks(discover(options({AddressSource::Node}), kBind, where));
    return out + std::to_string(pod.api().requests().size());
  };
  const Pod forbidden([](const std::string&) { return http("403 Forbidden", "{}"); });
  EXPECT_EQ(said(forbidden, forbidden.surroundings()),
            "node: 403 from Kubernetes: let the service account get this Node (RBAC)\n1");
  const Pod internal([](const std::string&) { return http("200 OK", R"({"status":{"addresses":[]}})"); });
  EXPECT_EQ(said(internal, internal.surroundings()),
            "node: the Node node-1 has no address of type ExternalIP\n1");
  Surroundings nameless = internal.surroundings();
  nameless.node.clear();
  EXPECT_EQ(said(internal, nameless),
            "node: NODE_NAME is not set; set it from spec.nodeName with the downward API\n1");
  std::filesystem::remove(internal.directory() / "token");
  EXPECT_TRUE(
      said(internal, internal.surroundings()).starts_with("node: the service account's token: No such file"));
}

TEST(ExternalAddress, AStunServerIsTheLastToBeAsked) {
  const Server server(loopback_config(1));
  const FakeHttpServer metadata([](const std::string&) { return http("404 Not Found", ""); });
  config::DiscoverOptions all = options({AddressSource::Stun, AddressSource::Metadata});
  all.stun_server = "stun:" + server.turn().to_string();
  const Discovery discovery = discover(all, kBind, cloud(metadata));
  // It is answered, and sees us by loopback: of no use to anybody.
  EXPECT_EQ(found(discovery), "");
  EXPECT_NE(remarks(discovery).find("it sees us as 127.0.0.1:"), std::string::npos) << remarks(discovery);
  EXPECT_EQ(metadata.requests().size(), app::external::metadata_services().size());
}

}  // namespace
}  // namespace ts::shell_test
