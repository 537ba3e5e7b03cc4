// SPDX-License-Identifier: Apache-2.0
// What is wrong at start-up is said at once, all of it, with what to do.
#include <array>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "common/temporary_folder.hpp"
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> problems_of(config::Config config) {
  app::log::set_up(config.log);
  auto made = app::Runtime::make(std::move(config));
  EXPECT_EQ(made.runtime == nullptr, !made.problems.empty());
  return made.problems;
}

/// A port that somebody else has, UDP and TCP; with SO_REUSEPORT when he would share it.
struct Taken {
  explicit Taken(bool share) {
    for (;;) {
      udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      tcp = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const int on = share ? 1 : 0;
      for (const int fd : {udp, tcp}) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
      SocketAddress any(at("127.0.0.1"));
      if (::bind(udp, any.get(), any.size) == 0) {
        SocketAddress got;
        ::getsockname(udp, got.get(), &got.size);
        port = got.endpoint().port;
        if (::bind(tcp, got.get(), got.size) == 0 && ::listen(tcp, 1) == 0) return;
      }
      close();
    }
  }
  ~Taken() { close(); }
  void close() {
    if (udp >= 0) ::close(udp);
    if (tcp >= 0) ::close(tcp);
    udp = tcp = -1;
  }
  int udp = -1;
  int tcp = -1;
  std::uint16_t port = 0;
};

class PortInUse : public testing::TestWithParam<std::tuple<std::uint32_t, bool>> {};

TEST_P(PortInUse, IsSaidForEachProtocolAndFlag) {
  const auto [shards, share] = GetParam();
  const Taken turn(share);
  const Taken tls(share);
  const Taken dtls(share);
  const Taken http(share);
  config::Config config = loopback_config(shards);
  config.net.port = turn.port;
  config.net.tls_port = tls.port;
  config.net.dtls_port = dtls.port;
  config.net.http_port = http.port;
  const auto problems = problems_of(std::move(config));
  const auto about = [](std::uint16_t port, const char* protocol, const char* flag) {
    return AllOf(HasSubstr("127.0.0.1:" + std::to_string(port) + " "), HasSubstr(protocol), HasSubstr(flag),
                 HasSubstr("another program"));
  };
  EXPECT_THAT(problems, Contains(about(turn.port, "(UDP)", "--port")));
  EXPECT_THAT(problems, Contains(about(turn.port, "(TCP)", "--port")));
  EXPECT_THAT(problems, Contains(about(tls.port, "(TCP)", "--tls-port")));
  EXPECT_THAT(problems, Contains(about(dtls.port, "(UDP)", "--dtls-port")));
  EXPECT_THAT(problems, Contains(about(http.port, "(TCP)", "--http-port")));
  EXPECT_EQ(problems.size(), 5U) << "::1 is free";
}
INSTANTIATE_TEST_SUITE_P(Shards, PortInUse, testing::Combine(testing::Values(1U, 2U), testing::Bool()));

TEST(Startup, WaitsForPortsThatAreGivenBackLate) {
  Taken former(false);
  config::Config config = loopback_config();
  config.net.port = former.port;
  std::thread end([&former] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    former.close();
  });
  const auto problems = problems_of(std::move(config));
  end.join();
  EXPECT_THAT(problems, IsEmpty());
}

TEST(Startup, AnAddressThatIsNotThisHosts) {
  config::Config config = loopback_config();
  config.net.bind = {*IpAddress::parse("127.0.0.1"), *IpAddress::parse("203.0.113.77")};
  EXPECT_THAT(problems_of(config), Contains(AllOf(HasSubstr("203.0.113.77"), HasSubstr("--bind"))));
  config.net.threads = 2;
  EXPECT_THAT(problems_of(config), Contains(AllOf(HasSubstr("203.0.113.77"), HasSubstr("--bind"))));
}

/// A folder for certificates that goes with the test.
class Certificates : public testing::Test {
 protected:
  Certificates() {
    write_pair("one", EVP_EC_gen("P-256"));
    write_pair("two", EVP_EC_gen("P-256"));
    folder_.write("garbage.pem", "this is no certificate\n");
  }
  std::string file(const std::string& name) const { return folder_.at(name); }
  std::vector<std::string> problems_with(const std::string& cert, const std::string& key) const {
    config::Config config = loopback_config();
    config.net.tls_cert_file = file(cert);
    config.net.tls_key_file = file(key);
    return problems_of(std::move(config));
  }

 protected:
  void write_pair(const std::string& name, EVP_PKEY* key) const {
    X509* cert = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    FILE* out = std::fopen(file(name + ".crt").c_str(), "w");
    PEM_write_X509(out, cert);
    std::fclose(out);
    out = std::fopen(file(name + ".key").c_str(), "w");
    PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(out);
    X509_free(cert);
    EVP_PKEY_free(key);
  }

 private:
  test::TemporaryFolder folder_;
};

TEST_F(Certificates, GoodOnesAreServed) {
  config::Config config = loopback_config();
  config.net.tls_cert_file = file("one.crt");
  config.net.tls_key_file = file("one.key");
  const Server server(std::move(config));
  TurnClient client(Via::Tls, server.tls());
  ASSERT_TRUE(client.ok());
  EXPECT_TRUE(client.binding());
  TurnClient datagrams(Via::Dtls, server.dtls());
  ASSERT_TRUE(datagrams.ok());
  EXPECT_TRUE(datagrams.binding());
  EXPECT_THAT(server.runtime->ice_urls(),
              Contains(HasSubstr(":" + std::to_string(server.dtls().port) + "?transport=udp")));
}

/// One handshake and one STUN request; the session that the server gave, or null.
using HeldSession = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;
HeldSession shake_hands(const Server& server, SSL_SESSION* former, bool& resumed) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  &SSL_CTX_free);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), [](SSL* tls, SSL_SESSION* session) {
    auto* const held = static_cast<HeldSession*>(SSL_get_ex_data(tls, 0));
    held->reset(session);
    return 1;
  });
  HeldSession out(nullptr, &SSL_SESSION_free);
  Wire stream(server.tls(), {});
  const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), &SSL_free);
  SSL_set_ex_data(tls.get(), 0, &out);
  if (former != nullptr) SSL_set_session(tls.get(), former);
  SSL_set_fd(tls.get(), stream.socket().fd());
  EXPECT_EQ(SSL_connect(tls.get()), 1);
  resumed = SSL_session_reused(tls.get()) == 1;
  const std::array<unsigned char, 20> request = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 't', 'i'};
  EXPECT_EQ(SSL_write(tls.get(), request.data(), static_cast<int>(request.size())),
            static_cast<int>(request.size()));
  std::array<unsigned char, 256> answer{};
  EXPECT_GT(SSL_read(tls.get(), answer.data(), static_cast<int>(answer.size())), 0);
  // Else OpenSSL would take the session for a bad one, not to be resumed.
  SSL_set_shutdown(tls.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  return out;
}

TEST_F(Certificates, TlsSessionsOutliveARestartWhereTicketsHaveKeysOfAFile) {
  const std::string old_key(64, 'a'), new_key(64, 'B');
  std::ofstream(file("tickets")) << "# newest first\n" << old_key << '\n';
  config::Config config = loopback_config();
  config.net.tls_cert_file = file("one.crt");
  config.net.tls_key_file = file("one.key");
  config.net.tls_ticket_keys_file = file("tickets");
  HeldSession session(nullptr, &SSL_SESSION_free);
  bool resumed = true;
  session = shake_hands(Server(config), nullptr, resumed);
  EXPECT_FALSE(resumed);
  ASSERT_NE(session, nullptr);
  session = shake_hands(Server(config), session.get(), resumed);
  EXPECT_TRUE(resumed);
  ASSERT_NE(session, nullptr);
  // A key that is not the newest any more still opens; one that is gone does not.
  std::ofstream(file("tickets")) << new_key << "\n\n" << old_key << "\r\n";
  session = shake_hands(Server(config), session.get(), resumed);
  EXPECT_TRUE(resumed);
  std::ofstream(file("tickets")) << old_key << '\n';
  ASSERT_NE(session, nullptr);
  session = shake_hands(Server(config), session.get(), resumed);
  EXPECT_FALSE(resumed);
  config.net.tls_ticket_keys_file.clear();
  ASSERT_NE(session, nullptr);
  shake_hands(Server(config), session.get(), resumed);
  EXPECT_FALSE(resumed);
}

TEST_F(Certificates, BadKeysOfTicketsAreTold) {
  config::Config config = loopback_config();
  config.net.tls_cert_file = file("one.crt");
  config.net.tls_key_file = file("one.key");
  config.net.tls_ticket_keys_file = file("tickets");
  EXPECT_THAT(problems_of(config), Contains(HasSubstr("cannot be read")));
  const std::string good(64, '0');
  for (const std::string& text : {std::string(), std::string(63, '0'), std::string(64, 'g'), good + good,
                                  good + "\n" + good + "\n" + good + "\n" + good + "\n" + good}) {
    std::ofstream(file("tickets")) << text << '\n';
    EXPECT_THAT(problems_of(config), Contains(HasSubstr("openssl rand -hex 32"))) << text;
  }
}

// RFC 8489 §6.2.3 MUST: TLS_DHE_RSA_ and TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 are there
// RFC 8489 §6.2.3 MUST: forward-secret cipher suites are preferred; none with known weaknesses
TEST_F(Certificates, MandatorySuitesAreThereOverTlsAndDtls) {
  write_pair("rsa", EVP_RSA_gen(2048));
  config::Config config = loopback_config();
  config.net.tls_cert_file = file("rsa.crt");
  config.net.tls_key_file = file("rsa.key");
  const Server server(std::move(config));
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  &SSL_CTX_free);
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  for (const char* suite : {"DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"}) {
    DtlsWire datagrams(server.dtls());
    SSL_set_cipher_list(datagrams.ssl(), suite);
    EXPECT_TRUE(datagrams.handshake()) << suite;
    Wire stream(server.tls(), {});
    const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), &SSL_free);
    SSL_set_cipher_list(tls.get(), suite);
    SSL_set_fd(tls.get(), stream.socket().fd());
    EXPECT_EQ(SSL_connect(tls.get()), 1) << suite;
  }
  DtlsWire weak(server.dtls());
  SSL_set_cipher_list(weak.ssl(), "AES128-SHA");
  EXPECT_FALSE(weak.handshake(2s)) << "no forward secrecy";
}

TEST_F(Certificates, BadOnesAreNamed) {
  EXPECT_THAT(problems_with("one.crt", "one.key"), IsEmpty());
  EXPECT_THAT(problems_with("none.crt", "one.key"), Contains(HasSubstr("none.crt")));
  EXPECT_THAT(problems_with("one.crt", "none.key"), Contains(HasSubstr("none.key")));
  EXPECT_THAT(problems_with("garbage.pem", "one.key"), Contains(HasSubstr("garbage.pem")));
  EXPECT_THAT(problems_with("one.crt", "garbage.pem"), Contains(HasSubstr("garbage.pem")));
  EXPECT_THAT(problems_with("one.crt", "two.key"),
              Contains(AllOf(HasSubstr("two.key"), HasSubstr("one.crt"))));
}

TEST_F(Certificates, EverythingIsSaidAtOnce) {
  const Taken taken(false);
  config::Config config = loopback_config();
  config.dev = false;
  config.net.bind.push_back(*IpAddress::parse("203.0.113.77"));
  config.net.port = taken.port;
  config.net.tls_cert_file = file("none.crt");
  config.net.tls_key_file = file("none.key");
  const auto problems = problems_of(std::move(config));
  EXPECT_THAT(problems, Contains(HasSubstr("none.crt")));
  EXPECT_THAT(problems, Contains(HasSubstr("203.0.113.77")));
  EXPECT_THAT(problems, Contains(AllOf(HasSubstr("127.0.0.1:"), HasSubstr("(UDP)"))));
  EXPECT_THAT(problems, Contains(AllOf(HasSubstr("127.0.0.1:"), HasSubstr("(TCP)"))));
}

TEST(Startup, PortsThatAreTheSameAreOne) {
  const std::uint16_t port = [] {
    const Taken taken(false);
    return taken.port;
  }();
  config::Config config = loopback_config();
  config.net.port = config.net.tls_port = config.net.http_port = port;
  {
    const Server server(config);
    EXPECT_EQ(server.runtime->ports().http, port);
    EXPECT_TRUE(Wire(server.http(), {}).get("/healthz").starts_with("HTTP/1.1 200"));
    EXPECT_TRUE(Wire(server.tls(), {.tls = true}).get("/healthz").starts_with("HTTP/1.1 200"));
  }
  // HTTP's port is the one that TLS would have, but there is no TLS.
  config.dev = false;
  config.turn.relay_addresses = {{*IpAddress::parse("127.0.0.1"), *IpAddress::parse("127.0.0.1")}};
  config.net.port = 0;
  const Server server(config);
  EXPECT_EQ(server.runtime->ports().tls, 0);
  EXPECT_TRUE(Wire(server.http(), {}).get("/healthz").starts_with("HTTP/1.1 200"));
}

TEST(Startup, TheKernelsChoiceIsOnePortForBothProtocolsAndAllAddresses) {
  for (int i = 0; i < 30; ++i) {
    config::Config config = loopback_config(2);
    if (i % 2 == 0) config.net.bind.clear();
    auto made = app::Runtime::make(std::move(config));
    ASSERT_THAT(made.problems, IsEmpty());
    const auto ports = made.runtime->ports();
    EXPECT_NE(ports.turn, 0);
    EXPECT_NE(ports.turn, ports.tls);
    EXPECT_NE(ports.turn, ports.http);
    EXPECT_NE(ports.tls, ports.http);
    for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
      EXPECT_FALSE(Socket(type, at("127.0.0.1", ports.turn)));
      EXPECT_FALSE(Socket(type, at("::1", ports.turn)));
    }
  }
}

}  // namespace
}  // namespace ts::shell_test
