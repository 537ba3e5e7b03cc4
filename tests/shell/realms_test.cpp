// SPDX-License-Identifier: Apache-2.0
// A realm beside the default one over real sockets, with a users file that changes.
#include "common/temporary_folder.hpp"
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

/// The answer that a new client gets in the realm "turnstone", as soon as it is `code`; else the last one.
int answer_until(const Server& server, Via via, int code) {
  const auto deadline = Clock::now() + kPatience;
  int last = -1;
  while (Clock::now() < deadline) {
    TurnClient client(via, server.turn());
    last = client.allocate();
    if (last == code) break;
    std::this_thread::sleep_for(100ms);
  }
  return last;
}

TEST(RealmsShell, ARealmsUsersFileCountsOnEveryShard) {
  const test::TemporaryFolder folder;
  const auto write = [&](const std::string& text) { return folder.write("users", text); };

  config::Config config = loopback_config(2);
  config.auth.realm = "main";
  config.auth.users = {{TurnClient::user, "another password"}};
  auth::RealmOptions realm;
  realm.name = "turnstone";
  realm.origins = {"https://app.example.org"};
  realm.users = {{"bob", "builder"}};
  config.auth.realms = {realm};
  config::CredentialFiles files;
  files.users = write("bob:builder\n");
  config.secret_files.realms = {files};
  config.turn.realms = {turn::RealmQuotas{}};
  {
    const Server server(config);
    EXPECT_EQ(answer_until(server, Via::Udp, 401), 401);
    write(std::string(TurnClient::user) + ":" + TurnClient::password + "\n");
    for (const Via via : {Via::Udp, Via::Tcp}) EXPECT_EQ(answer_until(server, via, 0), 0);
  }
}

}  // namespace
}  // namespace ts::shell_test
