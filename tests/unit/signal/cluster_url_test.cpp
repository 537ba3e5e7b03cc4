// SPDX-License-Identifier: Apache-2.0
// Nodes tell each other where they are reached by HTTP.
#include <turnstone/signal/forward_pass.hpp>

#include "cluster_support.hpp"

namespace ts::signal {
namespace {

using namespace std::chrono_literals;

class ClusterUrl : public ClusterTest {
 protected:
  void SetUp() override {
    options_ = test_options();
    for (int i = 0; i < 3; ++i) add_node();
    node(0).cluster.set_url("http://10.0.0.7:8080");
    node(1).cluster.set_url("https://node.example.org");
    link_all();
  }
  /// Where one finds the other; "-": it knows no such node.
  std::string seen(std::size_t by, std::size_t whose) {
    const std::string* url = node(by).cluster.url_of(now_, node(whose).cluster.mark());
    return url == nullptr ? "-" : *url;
  }
};

TEST_F(ClusterUrl, IsKnownByTheMark) {
  EXPECT_EQ(node(0).cluster.mark(), mark_of(node(0).cluster.node()));
  EXPECT_EQ(seen(1, 0), "http://10.0.0.7:8080");
  EXPECT_EQ(seen(2, 0), "http://10.0.0.7:8080");
  EXPECT_EQ(seen(0, 1), "https://node.example.org");
  EXPECT_EQ(seen(0, 2), "") << "which has not said";
  EXPECT_EQ(seen(0, 0), "-") << "one's own is not another's";
  EXPECT_EQ(node(0).cluster.url_of(now_, "00000000"), nullptr);
}

TEST_F(ClusterUrl, StaysWhileTheBusIsAway) {
  for (std::size_t i = 0; i < 3; ++i) unlink(node(i));
  pass(10s);
  EXPECT_EQ(seen(1, 0), "http://10.0.0.7:8080");
  link_all();
  EXPECT_EQ(seen(1, 0), "http://10.0.0.7:8080");
}

TEST_F(ClusterUrl, GoesWithItsNode) {
  node(1).cluster.leave();
  pump();
  EXPECT_EQ(seen(2, 1), "-");
  node(0).running = false;
  pass(4s);
  EXPECT_EQ(seen(2, 0), "http://10.0.0.7:8080") << "it may be there, for all one knows";
  pass(kGoneUrlLife);
  EXPECT_EQ(seen(2, 0), "-") << "somebody else may have its address";
}

TEST_F(ClusterUrl, StaysWhileOnlyItsNodeHasLostTheBus) {
  unlink(node(0));
  pass(60s);
  EXPECT_EQ(seen(1, 0), "http://10.0.0.7:8080") << "its clients may still come here";
  EXPECT_EQ(seen(0, 1), "https://node.example.org") << "and this node's there";
  EXPECT_EQ(seen(1, 2), "");
  link(node(0));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(seen(1, 0), "http://10.0.0.7:8080") << i;
    pass(100ms);
  }
  node(0).cluster.leave();
  pump();
  EXPECT_EQ(seen(1, 0), "-");
}

TEST_F(ClusterUrl, OfWhoWasAwayGoesWithALateGoodbye) {
  unlink(node(0));
  pass(10s);
  EXPECT_EQ(seen(1, 0), "http://10.0.0.7:8080");
  link(node(0));
  node(0).cluster.leave();
  pump();
  EXPECT_EQ(seen(1, 0), "-");
}

TEST_F(ClusterUrl, IsToldToWhoComesLater) {
  Node& late = add_node();
  link(late);
  pump();
  pass(1s);
  EXPECT_EQ(seen(3, 0), "http://10.0.0.7:8080");
}

}  // namespace
}  // namespace ts::signal
