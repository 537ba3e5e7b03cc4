// SPDX-License-Identifier: Apache-2.0
// Reloading the whole server, and what `turnstone serve` does on signals.
#include <algorithm>
#include <fstream>
#include <future>

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/wait.h>

#include <turnstone/app/cli.hpp>

#include "admin_client.hpp"
#include "common/temporary_folder.hpp"
#include "spawn_self.hpp"

namespace ts::shell_test {
namespace {

/// A folder with a configuration, a certificate and what else is written into it.
class Folder : public test::TemporaryFolder {
 public:
  /// A new self-signed certificate and its key.
  void write_certificate() {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* cert = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    FILE* file = std::fopen(at("cert.pem").c_str(), "w");
    PEM_write_X509(file, cert);
    std::fclose(file);
    file = std::fopen(at("key.pem").c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
  }
  long serial() const { return serial_; }

 private:
  long serial_ = 0;
};

/// A server of a configuration file.
struct Reload : ::testing::Test {
  Folder folder;
  std::string extra;

  void write(const std::string& auth = "users: ['alice:wonderland']") {
    folder.write("turnstone.yaml", "dev: true\nauth: {" + auth +
                                       "}\nlisten: {bind: ['127.0.0.1'], port: 0, tls_port: 0, http_port: 0, "
                                       "threads: 2, tls_cert_file: " +
                                       folder.at("cert.pem") + ", tls_key_file: " + folder.at("key.pem") +
                                       "}\nlog: {level: 'off'}\nadmin: {token: " + AdminClient::kToken +
                                       ", port: 0}\n" + extra);
  }
  config::LoadResult load() { return config::load_file(folder.at("turnstone.yaml"), {}, {}); }

  void SetUp() override {
    folder.write_certificate();
    write();
    config::LoadResult first = load();
    ASSERT_TRUE(first.ok()) << config::to_text(first.problems);
    app::log::set_up(first.config.log);
    auto made = app::Runtime::make(first.config, [this] { return load(); });
    ASSERT_TRUE(made.runtime) << made.problems.at(0);
    runtime = std::move(made.runtime);
    runtime->start();
  }
  Endpoint turn() const { return at("127.0.0.1", runtime->ports().turn); }
  Endpoint tls() const { return at("127.0.0.1", runtime->ports().tls); }
  AdminClient admin() const { return AdminClient(runtime->ports().admin); }
  app::ReloadReport reload() const {
    std::promise<app::ReloadReport> done;
    runtime->reload([&done](const app::ReloadReport& report) { done.set_value(report); });
    return done.get_future().get();
  }
  /// Shards change over one after the other: until a new client is answered so.
  bool answers(int code, const std::string& user = "alice",
               const std::string& password = "wonderland") const {
    const auto deadline = Clock::now() + kPatience;
    while (Clock::now() < deadline) {
      TurnClient client(Via::Udp, turn());
      client.log_in(user, password);
      if (client.allocate() == code) return true;
      std::this_thread::sleep_for(20ms);
    }
    return false;
  }
  /// The serial number of the certificate that a new TLS client gets.
  long serial() const {
    Wire wire(tls(), {.tls = true});
    X509* cert = wire.ok() ? SSL_get1_peer_certificate(wire.tls()) : nullptr;
    if (cert == nullptr) return -1;
    const long out = ASN1_INTEGER_get(X509_get_serialNumber(cert));
    X509_free(cert);
    return out;
  }

  std::unique_ptr<app::Runtime> runtime;
};

TEST_F(Reload, UsersPeersAndLimitsWithoutTouchingWhatIsThere) {
  const EchoPeer peer;
  TurnClient staying(Via::Udp, turn());
  ASSERT_EQ(staying.allocate(), 0);
  ASSERT_EQ(staying.bind(kChannel, peer.local()), 0);

  extra = "relay: {deny_peers: ['127.0.0.0/8'], max_allocations_per_user: 2}\nlisten2: {}\n";
  write("users: ['bob:builder']");
  const app::ReloadReport bad = reload();
  EXPECT_EQ(bad.problems.size(), 1U) << "all or nothing";
  EXPECT_TRUE(bad.changed.empty());
  EXPECT_TRUE(answers(0));
  EXPECT_TRUE(answers(401, "bob", "builder"));

  extra = "relay: {deny_peers: ['127.0.0.0/8'], max_allocations_per_user: 2}\n";
  write("users: ['bob:builder']");
  const app::ReloadReport good = reload();
  EXPECT_TRUE(good.ok());
  EXPECT_EQ(good.changed,
            (std::vector<std::string>{"auth.users", "relay.deny_peers", "relay.max_allocations_per_user"}));
  EXPECT_TRUE(good.needs_restart.empty());
  EXPECT_TRUE(answers(401));
  TurnClient bob(Via::Udp, turn());
  bob.log_in("bob", "builder");
  ASSERT_EQ(bob.allocate(), 0);
  EXPECT_EQ(bob.bind(kChannel, peer.local()), 403);
  TurnClient more(Via::Tcp, turn());
  more.log_in("bob", "builder");
  ASSERT_EQ(more.allocate(), 0);
  EXPECT_TRUE(answers(486, "bob", "builder"));

  const Bytes data = pattern(500);
  staying.send_channel(kChannel, data);
  const auto echoed = staying.next();
  ASSERT_TRUE(echoed);
  EXPECT_EQ(echoed->bytes, data);
  EXPECT_EQ(staying.refresh(600), 0);
  EXPECT_TRUE(reload().changed.empty()) << "nothing is new any more";
}

TEST_F(Reload, TellsWhatNeedsARestartAgainAndAgain) {
  const std::uint16_t port = runtime->ports().turn;
  extra = "relay: {ports: 50000-50999}\nmetrics: {enabled: false}\n";
  write();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(reload().needs_restart, (std::vector<std::string>{"relay.ports", "metrics.enabled"})) << i;
  }
  EXPECT_EQ(runtime->ports().turn, port);
  EXPECT_TRUE(answers(0));
}

TEST_F(Reload, ByTheAdminApiWhichThenHasAnotherToken) {
  const AdminClient client = admin();
  EXPECT_EQ(client.ask("POST", "/v1/reload").status, 200);
  folder.write("turnstone.yaml", "dev: [\n");
  const AdminAnswer bad = client.ask("POST", "/v1/reload");
  EXPECT_EQ(bad.status, 422);
  EXPECT_FALSE(bad.json()["problems"].empty());
  extra = "";
  write();
  std::string text;
  std::getline(std::ifstream(folder.at("turnstone.yaml")), text, '\0');
  text.replace(text.find(AdminClient::kToken), std::string(AdminClient::kToken).size(),
               "another-token-of-theirs");
  folder.write("turnstone.yaml", text);
  const AdminAnswer changed = client.ask("POST", "/v1/reload");
  EXPECT_EQ(changed.json()["changed"], nlohmann::json::array({"admin.token"})) << changed.body;
  EXPECT_EQ(changed.body.find("another-token"), std::string::npos);
  EXPECT_EQ(client.get("/v1/status").status, 401);
}

TEST_F(Reload, CertificatesUnderConnectionsThatGoOn) {
  const EchoPeer peer;
  std::vector<std::unique_ptr<TurnClient>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<TurnClient>(
        i % 8 == 0 ? Via::Dtls : Via::Tls, i % 8 == 0 ? at("127.0.0.1", runtime->ports().dtls) : tls()));
    ASSERT_EQ(clients.back()->allocate(), 0) << i;
    ASSERT_EQ(clients.back()->bind(kChannel, peer.local()), 0);
  }
  for (int round = 0; round < 20; ++round) {
    folder.write_certificate();
    const app::ReloadReport report = reload();
    ASSERT_TRUE(report.ok());
    EXPECT_EQ(report.changed, std::vector<std::string>{"the TLS certificate"});
    TurnClient& one = *clients[static_cast<std::size_t>(round * 2)];
    const Bytes data = pattern(300, static_cast<std::uint32_t>(round));
    one.send_channel(kChannel, data);
    const auto echoed = one.next();
    ASSERT_TRUE(echoed) << round;
    EXPECT_EQ(echoed->bytes, data);
  }
  for (const auto& client : clients) EXPECT_EQ(client->refresh(600), 0);
  const auto deadline = Clock::now() + kPatience;
  while (serial() != folder.serial() && Clock::now() < deadline) std::this_thread::sleep_for(20ms);
  EXPECT_EQ(serial(), folder.serial());

  std::ofstream(folder.at("key.pem"), std::ios::trunc) << "-----BEGIN NONSENSE-----\n";
  EXPECT_EQ(reload().problems.size(), 1U);
  EXPECT_EQ(serial(), folder.serial()) << "the former one stays";
}

// What came by the watch is what a reload compares with: what a file has again must not be "no change".
TEST_F(Reload, AUserWhoCameByTheFileAndIsTakenOutAgainIsOut) {
  folder.write("users", "alice:wonderland\n");
  write("users_file: " + folder.at("users"));
  ASSERT_TRUE(reload().ok());
  folder.write("users", "alice:wonderland\nmallory:builder\n");
  ASSERT_TRUE(answers(0, "mallory", "builder"));
  folder.write("users", "alice:wonderland\n");
  EXPECT_EQ(reload().changed, std::vector<std::string>{"auth.users"});
  EXPECT_TRUE(answers(401, "mallory", "builder"));
  EXPECT_TRUE(answers(0));
}

// A user of a file is as static as one of the configuration.
TEST_F(Reload, ARevokedUserWhoCameLaterStaysOut) {
  folder.write("users", "mallory:builder\n");
  write("users_file: " + folder.at("users"));
  ASSERT_TRUE(reload().ok());
  const AdminAnswer done = admin().ask("POST", "/v1/revocations", R"({"kind":"user","name":"mallory"})");
  EXPECT_EQ(done.status, 202);
  EXPECT_TRUE(done.json()["until"].is_null()) << done.body;
}

TEST_F(Reload, DevelopersHaveASecretAgain) {
  const auto minted = [this] {
    return Wire(turn(), {}).get("/turn?username=x").find(" 200 ") != std::string::npos;
  };
  ASSERT_TRUE(minted());
  write("secrets: [north]");
  ASSERT_TRUE(reload().ok());
  write();
  ASSERT_TRUE(reload().ok());
  EXPECT_TRUE(minted());
}

/// A server that is no developer's.
struct ReloadInEarnest : ::testing::Test {
  Folder folder;
  std::unique_ptr<app::Runtime> runtime;

  void write(const std::string& auth, const std::string& signaling) {
    folder.write("turnstone.yaml", "auth: {" + auth + "}\nsignaling: {" + signaling +
                                       "}\nlisten: {bind: ['127.0.0.1'], port: 0, http_port: 0, threads: 1}\n"
                                       "relay: {addresses: ['127.0.0.1']}\nlog: {level: 'off'}\n");
  }
  void start() {
    const auto load = [this] { return config::load_file(folder.at("turnstone.yaml"), {}, {}); };
    config::LoadResult first = load();
    ASSERT_TRUE(first.ok()) << config::to_text(first.problems);
    app::log::set_up(first.config.log);
    auto made = app::Runtime::make(first.config, load);
    ASSERT_TRUE(made.runtime) << made.problems.at(0);
    runtime = std::move(made.runtime);
    runtime->start();
  }
  app::ReloadReport reload() const {
    std::promise<app::ReloadReport> done;
    runtime->reload([&done](const app::ReloadReport& report) { done.set_value(report); });
    return done.get_future().get();
  }
};

TEST_F(ReloadInEarnest, NothingIsTakenThatWithoutTheRestShutsEverybodyOut) {
  write("users: ['alice:wonderland']", "token: t0ken-one");
  start();
  write("hook_url: 'http://127.0.0.1:9/'", "token: t0ken-one");
  const app::ReloadReport hook = reload();
  ASSERT_EQ(hook.problems.size(), 1U);
  EXPECT_NE(hook.problems[0].find("restart"), std::string::npos) << hook.problems[0];
  TurnClient client(Via::Udp, at("127.0.0.1", runtime->ports().turn));
  EXPECT_EQ(client.allocate(), 0);

  write("users: ['alice:wonderland']", "open: true");
  const app::ReloadReport open = reload();
  EXPECT_TRUE(open.ok());
  EXPECT_TRUE(open.changed.empty()) << open.changed[0];
  std::vector<std::string> waits = open.needs_restart;
  std::sort(waits.begin(), waits.end());
  EXPECT_EQ(waits, (std::vector<std::string>{"signaling.open", "signaling.token"}));
  write("users: ['alice:wonderland']", "token: t0ken-two");
  EXPECT_EQ(reload().changed, std::vector<std::string>{"signaling.token"});
}

TEST_F(ReloadInEarnest, KeysOfSignalingThatIsOffAreNobodysProblem) {
  folder.write("keys", "rubbish\n");
  const std::string off = "enabled: false, jwt_key_files: ['" + folder.at("keys") + "']";
  write("users: ['alice:wonderland']", off);
  start();
  write("users: ['bob:builder']", off);
  const app::ReloadReport report = reload();
  EXPECT_TRUE(report.ok()) << report.problems[0];
  EXPECT_EQ(report.changed, std::vector<std::string>{"auth.users"});
}

TEST_F(Reload, ACertificateThatWasReplacedIsNoticed) {
  EXPECT_EQ(serial(), 1);
  folder.write_certificate();
  const auto deadline = Clock::now() + kPatience;
  while (serial() != 2 && Clock::now() < deadline) std::this_thread::sleep_for(100ms);
  EXPECT_EQ(serial(), 2);
}

/// `turnstone serve` in a process of its own: this program again.
class ServeProcess {
 public:
  explicit ServeProcess(const std::string& config) : log_(config + ".log") {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 2, log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_ = spawn_self("ServeProcess.DISABLED_Main", {"TS_TEST_SERVE=" + config}, actions);
    ::posix_spawn_file_actions_destroy(&actions);
  }
  ServeProcess(const ServeProcess&) = delete;
  ServeProcess& operator=(const ServeProcess&) = delete;
  ~ServeProcess() {
    if (pid_ > 0 && !ended_) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::unlink(log_.c_str());
  }
  void signal(int number) const { ::kill(pid_, number); }
  std::string log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool says(const std::string& text) const {
    const auto deadline = Clock::now() + kPatience;
    while (log().find(text) == std::string::npos) {
      if (Clock::now() > deadline) return false;
      std::this_thread::sleep_for(10ms);
    }
    return true;
  }
  std::uint16_t port(const std::string& name) const {
    if (!says(name + '=')) return 0;
    const std::string text = log();
    return static_cast<std::uint16_t>(std::atoi(text.c_str() + text.find(name + '=') + name.size() + 1));
  }
  /// The status that it ended with; -1: it goes on.
  int ends(std::chrono::milliseconds patience) {
    const auto deadline = Clock::now() + patience;
    int status = 0;
    while (::waitpid(pid_, &status, WNOHANG) == 0) {
      if (Clock::now() > deadline) return -1;
      std::this_thread::sleep_for(10ms);
    }
    ended_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  }

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
  std::string log_;
};

TEST(ServeProcess, DISABLED_Main) {
  const char* config = std::getenv("TS_TEST_SERVE");
  if (config == nullptr) GTEST_SKIP() << "started by other tests";
  EXPECT_EQ(app::run(app::ServeCommand{{config, {}}}), 0);
}

struct Signals : ::testing::Test {
  Folder folder;
  void write(const std::string& more) {
    folder.write("turnstone.yaml",
                 "dev: true\nauth: {users: ['alice:wonderland']}\n"
                 "listen: {bind: ['127.0.0.1'], port: 0, tls_port: 0, http_port: 0, threads: 1}\n" +
                     more);
  }
};

TEST_F(Signals, TermWaitsForTheCallAndIntDoesNot) {
  write("shutdown: {drain_timeout: 60s}\n");
  const EchoPeer peer;
  {
    ServeProcess process(folder.at("turnstone.yaml"));
    const Endpoint server = at("127.0.0.1", process.port("port"));
    TurnClient client(Via::Udp, server);
    ASSERT_EQ(client.allocate(), 0);
    ASSERT_EQ(client.bind(kChannel, peer.local()), 0);
    process.signal(SIGTERM);
    ASSERT_TRUE(process.says("draining"));
    for (std::uint32_t i = 0; i < 50; ++i) {
      const Bytes data = pattern(100 + i, i);
      client.send_channel(kChannel, data);
      const auto echoed = client.next();
      ASSERT_TRUE(echoed) << i;
      ASSERT_EQ(echoed->bytes, data);
    }
    EXPECT_EQ(process.ends(0ms), -1);
    ASSERT_EQ(client.refresh(0), 0);
    EXPECT_EQ(process.ends(kPatience), 0) << process.log();
    EXPECT_NE(process.log().find("drained"), std::string::npos);
  }
  for (const auto& [first, second] :
       {std::pair(SIGTERM, SIGTERM), std::pair(SIGTERM, SIGINT), std::pair(0, SIGINT)}) {
    ServeProcess process(folder.at("turnstone.yaml"));
    TurnClient client(Via::Udp, at("127.0.0.1", process.port("port")));
    ASSERT_EQ(client.allocate(), 0);
    if (first != 0) {
      process.signal(first);
      ASSERT_TRUE(process.says("draining"));
    }
    process.signal(second);
    EXPECT_EQ(process.ends(kPatience), 0) << process.log();
  }
}

// A service may be told to reload before it is there: that must not end it.
TEST_F(Signals, HupWhileItStartsWaits) {
  const Socket stun(SOCK_DGRAM, at("127.0.0.1"));
  write("relay: {discover: [stun], discover_stun: 'stun:" + stun.local().to_string() +
        "', discover_timeout: 1s}\n");
  ServeProcess process(folder.at("turnstone.yaml"));
  pollfd asked{stun.fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&asked, 1, static_cast<int>(kPatience.count())), 1) << "it looks for its address";
  process.signal(SIGHUP);
  EXPECT_EQ(process.ends(kPatience), 1) << "since nobody knows its address, and not by a signal";
  EXPECT_NE(process.log().find("relay.discover"), std::string::npos) << process.log();
}

TEST_F(Signals, TheLogTellsWhatOperatorsDidAndNoCredential) {
  write(std::string("log: {level: info}\nadmin: {port: 0, token: ") + AdminClient::kToken + "}\n");
  const ServeProcess process(folder.at("turnstone.yaml"));
  const AdminClient admin(process.port("admin_port"));
  const auto revoke = [&](const std::string& kind, const std::string& name) {
    return admin.ask("POST", "/v1/revocations", R"({"kind":")" + kind + R"(","name":")" + name + "\"}")
        .status;
  };
  EXPECT_EQ(revoke("user", "mallory"), 202);
  EXPECT_EQ(revoke("credential", "4000000000:half-of-a-secret"), 202);
  EXPECT_EQ(admin.ask("PUT", "/v1/log-level", R"({"level":"off"})").status, 200);
  EXPECT_TRUE(process.says("user mallory")) << process.log();
  EXPECT_TRUE(process.says("subject=credential")) << process.log();
  EXPECT_TRUE(process.says("subject=off")) << "the last word";
  EXPECT_EQ(process.log().find("half-of-a-secret"), std::string::npos);
}

TEST_F(Signals, HupReloads) {
  write("log: {level: info}\n");
  ServeProcess process(folder.at("turnstone.yaml"));
  ASSERT_NE(process.port("port"), 0);
  write("log: {level: verbose}\n");
  process.signal(SIGHUP);
  EXPECT_TRUE(process.says("not reloaded")) << process.log();
  write("log: {level: info}\nrelay: {max_allocations: 7}\nlisten2: 1\n");
  write("log: {level: info}\nrelay: {max_allocations: 7}\n");
  process.signal(SIGHUP);
  EXPECT_TRUE(process.says("changed=relay.max_allocations")) << process.log();
  process.signal(SIGTERM);
  EXPECT_EQ(process.ends(kPatience), 0) << "nobody is there to wait for";
}

}  // namespace
}  // namespace ts::shell_test
