// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <turnstone/admin/health.hpp>

namespace ts::admin {
namespace {

TEST(Health, IsFineWhileTheProcessAnswers) {
  EXPECT_EQ(health().status, 200);
  EXPECT_EQ(health().body, "{\"status\":\"ok\"}\n");
  EXPECT_EQ(health().content_type, "application/json");
}

TEST(Ready, FollowsTheState) {
  struct Case {
    State state;
    int status;
    const char* body;
  };
  const Case cases[] = {
      {{false, false, 0}, 503, "{\"status\":\"starting\",\"allocations\":0}\n"},
      {{true, false, 3}, 200, "{\"status\":\"ready\",\"allocations\":3}\n"},
      {{true, false, 0, "degraded"},
       200,
       "{\"status\":\"ready\",\"allocations\":0,\"backplane\":\"degraded\"}\n"},
      {{true, true, 3}, 503, "{\"status\":\"draining\",\"allocations\":3}\n"},
      {{false, true, 0}, 503, "{\"status\":\"draining\",\"allocations\":0}\n"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ready(c.state).status, c.status);
    EXPECT_EQ(ready(c.state).body, c.body);
  }
}

}  // namespace
}  // namespace ts::admin
