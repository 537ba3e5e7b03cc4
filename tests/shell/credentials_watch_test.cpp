// SPDX-License-Identifier: Apache-2.0
// A users file that changes while the server runs.
#include "common/temporary_folder.hpp"
#include "turn_client.hpp"

namespace ts::shell_test {
namespace {

/// A file of its own, gone at the end.
struct TemporaryFile {
  void write(const std::string& text) const { (void)folder.write("users", text); }
  test::TemporaryFolder folder;
  std::string path = folder.at("users");
};

/// True once an Allocate of a new client is answered so.
bool answers(const Server& server, int code) {
  const auto deadline = Clock::now() + kPatience;
  while (Clock::now() < deadline) {
    TurnClient client(Via::Udp, server.turn());
    if (client.allocate() == code) return true;
    std::this_thread::sleep_for(100ms);
  }
  return false;
}

TEST(CredentialsWatch, AChangedUsersFileCountsOnEveryShard) {
  TemporaryFile file;
  file.write("bob:builder\n");
  config::Config config = loopback_config(2);
  config.auth.users = {{"bob", "builder"}};
  config.secret_files.users = file.path;
  const Server server(config);
  EXPECT_TRUE(answers(server, 401));
  file.write(std::string(TurnClient::user) + ":" + TurnClient::password + "\n");
  EXPECT_TRUE(answers(server, 0));
  TurnClient staying(Via::Udp, server.turn());
  ASSERT_TRUE(answers(server, 0));
  ASSERT_EQ(staying.allocate(), 0);

  // A file that is wrong changes nothing.
  file.write("no password\n");
  std::this_thread::sleep_for(3s);
  EXPECT_TRUE(answers(server, 0));
  ::unlink(file.path.c_str());
  std::this_thread::sleep_for(3s);
  EXPECT_TRUE(answers(server, 0));

  // A user who is gone gets nothing new; what he has goes on.
  file.write("bob:builder\n");
  EXPECT_TRUE(answers(server, 401));
  EXPECT_EQ(staying.refresh(600), 0);
}

}  // namespace
}  // namespace ts::shell_test
