// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <turnstone/metrics/exposition.hpp>
#include <turnstone/metrics/labels.hpp>

namespace ts::metrics {
namespace {

using testing::HasSubstr;

/// A snapshot in which everything optional is there.
Snapshot full() {
  Snapshot out;
  out.shard_allocations = {3, 4};
  out.offload.emplace();
  out.cluster.emplace();
  out.forwards.emplace();
  out.certificate_expiry_seconds = 1.8e9;
  out.build = build_info();
  out.process = read_process_stats(17);
  return out;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

TEST(Metrics, DocumentationIsUpToDate) {
  std::ifstream in(std::string(TS_SOURCE_DIR) + "/docs/metrics.md");
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>(in), {}}), documentation())
      << "run: turnstone metrics docs";
}

TEST(Metrics, OutputAndCatalogueHoldTheSame) {
  std::map<std::string, std::string> types;
  for (const std::string& line : lines_of(expose(full()))) {
    if (!line.starts_with("# TYPE ")) continue;
    const std::size_t space = line.find(' ', 7);
    EXPECT_TRUE(types.emplace(line.substr(7, space - 7), line.substr(space + 1)).second) << line;
  }
  EXPECT_EQ(types.size(), catalogue().size());
  for (const MetricInfo& info : catalogue()) {
    EXPECT_EQ(types[std::string(info.name)], info.type == MetricType::Counter ? "counter"
                                             : info.type == MetricType::Gauge ? "gauge"
                                                                              : "histogram")
        << info.name;
  }
}

TEST(Metrics, NamesFollowTheConventions) {
  for (const MetricInfo& info : catalogue()) {
    EXPECT_TRUE(info.name.starts_with("turnstone_") || info.name.starts_with("process_")) << info.name;
    EXPECT_EQ(info.name.ends_with("_total"), info.type == MetricType::Counter) << info.name;
    EXPECT_FALSE(info.help.empty()) << info.name;
    EXPECT_TRUE(info.help.ends_with('.')) << info.name;
  }
}

TEST(Metrics, LabelNamesAreThoseOfTheCatalogueAndBounded) {
  std::map<std::string, std::set<std::string>> names;
  std::set<std::string> histograms;
  for (const MetricInfo& info : catalogue()) {
    if (info.type == MetricType::Histogram) histograms.emplace(info.name);
  }
  std::size_t series = 0;
  for (const std::string& line : lines_of(expose(full()))) {
    if (line.starts_with('#')) continue;
    ++series;
    const std::size_t open = line.find('{');
    std::string name = line.substr(0, std::min(open, line.find(' ')));
    std::string joined;
    for (std::size_t at = open; at != std::string::npos && line[at] != '}';) {
      const std::size_t equals = line.find("=\"", at);
      const std::string label_name = line.substr(at + 1, equals - at - 1);
      if (label_name != "le") joined += (joined.empty() ? "" : ", ") + label_name;
      EXPECT_NE(line[equals + 2], '"') << "empty label value: " << line;
      at = line.find('"', equals + 2) + 1;
    }
    for (const std::string_view part : {"_bucket", "_sum", "_count"}) {
      const std::string whole = name.substr(0, name.size() - std::min(name.size(), part.size()));
      if (name.ends_with(part) && histograms.contains(whole)) name = whole;
    }
    names[name].insert(joined);
  }
  for (const MetricInfo& info : catalogue()) {
    EXPECT_EQ(names[std::string(info.name)], std::set<std::string>{std::string(info.labels)}) << info.name;
  }
  EXPECT_LT(series, 800U);
}

TEST(Metrics, ValuesLandInTheirSeries) {
  Snapshot s = full();
  s.turn.requests[turn::index(turn::RequestKind::Allocate)][turn::index(turn::Outcome::E401)] = 7;
  s.turn.to_client[turn::index(turn::Transport::Tls)] = {11, 1'099'511'627'776};
  s.turn.drops[turn::index(turn::Drop::QueueFull)] = 5;
  s.turn.allocations_ended[turn::index(turn::EndReason::Expired)] = 6;
  s.net.streams_refused[turn::index(net::StreamRefusal::TlsFailed)] = 8;
  s.signal.messages[signal::index(signal::MessageType::Join)][signal::index(signal::ErrorCode::RoomFull)] = 9;
  s.offload->to_client_packets = 12;
  s.offload->flows = 13;
  s.offload->failed = 14;
  s.net.udp_receive_drops[turn::index(net::UdpSocketKind::Relay)] = 12;
  s.bugs = 2;
  s.draining = true;
  s.build = {"1.2.3", "abc", "g++ \"12\""};
  const std::string text = expose(s);
  for (const char* line :
       {"turnstone_requests_total{method=\"allocate\",code=\"401\"} 7\n",
        "turnstone_relayed_packets_total{direction=\"to_client\",transport=\"tls\"} 11\n",
        "turnstone_relayed_bytes_total{direction=\"to_client\",transport=\"tls\"} 1099511627776\n",
        "turnstone_drops_total{reason=\"queue_full\"} 5\n",
        "turnstone_allocations_ended_total{reason=\"expired\"} 6\n",
        "turnstone_streams_refused_total{reason=\"tls_failed\"} 8\n",
        "turnstone_udp_receive_buffer_drops_total{socket=\"relay\"} 12\n",
        "turnstone_signaling_messages_total{type=\"join\",result=\"room_full\"} 9\n",
        "turnstone_offload_packets_total{direction=\"to_client\"} 12\n", "turnstone_offload_flows 13\n",
        "turnstone_offload_drops_total{reason=\"no_memory\"} 14\n",
        "turnstone_shard_allocations{shard=\"1\"} 4\n", "turnstone_bugs_total 2\n", "turnstone_draining 1\n",
        "turnstone_tls_certificate_expiry_timestamp_seconds 1800000000\n",
        "turnstone_build_info{version=\"1.2.3\",commit=\"abc\",compiler=\"g++ \\\"12\\\"\"} 1\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(Metrics, NoOffloadNoSeries) { EXPECT_EQ(expose(Snapshot{}).find("offload"), std::string::npos); }
TEST(Metrics, HistogramsAddUp) {
  using std::chrono::microseconds;
  using std::chrono::nanoseconds;
  Snapshot s = full();
  net::DelayHistogram& delays = s.net.nap_delays;
  delays.add(nanoseconds(1), 1);
  delays.add(microseconds(100), 2);
  delays.add(nanoseconds(100'001), 4);
  delays.add(microseconds(30'000), 8);
  net::Counters twice = s.net;
  twice += s.net;
  EXPECT_EQ(twice.nap_delays.nanoseconds, 2 * delays.nanoseconds);
  EXPECT_EQ(twice.nap_delays.counts[1], 4U);
  const std::string text = expose(s);
  const std::string name = "turnstone_coalesce_delay_seconds";
  for (const char* line :
       {"_count 15\n", "_bucket{le=\"5e-05\"} 1\n", "_bucket{le=\"0.0001\"} 3\n",
        "_bucket{le=\"0.00015\"} 7\n", "_bucket{le=\"0.02\"} 7\n", "_bucket{le=\"+Inf\"} 15\n"}) {
    EXPECT_THAT(text, HasSubstr(name + line));
  }
  const std::size_t sum = text.find(name + "_sum ");
  ASSERT_NE(sum, std::string::npos);
  EXPECT_NEAR(std::stod(text.substr(sum + name.size() + 5)), 0.240600005, 1e-9);
}

TEST(Metrics, NoCertificateNoSeries) { EXPECT_EQ(expose(Snapshot{}).find("certificate"), std::string::npos); }

template <class Enum>
void expect_distinct(std::size_t count) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view text = label(static_cast<Enum>(i));
    EXPECT_FALSE(text.empty()) << i;
    EXPECT_TRUE(seen.insert(text).second) << text;
  }
}

TEST(Labels, AreThereAndDistinct) {
  expect_distinct<turn::Transport>(turn::kTransportCount);
  expect_distinct<turn::RequestKind>(turn::kRequestKindCount);
  expect_distinct<turn::Outcome>(turn::kOutcomeCount);
  expect_distinct<turn::AuthFailure>(turn::kAuthFailureCount);
  expect_distinct<turn::Denial>(turn::kDenialCount);
  expect_distinct<turn::Drop>(turn::kDropCount);
  expect_distinct<turn::EndReason>(turn::kEndReasonCount);
  expect_distinct<net::StreamKind>(net::kStreamKindCount);
  expect_distinct<net::StreamRefusal>(net::kStreamRefusalCount);
  expect_distinct<net::UdpSocketKind>(net::kUdpSocketKindCount);
  EXPECT_EQ(label(turn::RequestKind::Other), "other");
  EXPECT_EQ(label(turn::Outcome::E508), "508");
  EXPECT_EQ(label(turn::AuthFailure::WrongUser), "wrong_user");
  EXPECT_EQ(label(turn::Denial::NoPort), "no_port");
  EXPECT_EQ(label(turn::Drop::QueueFull), "queue_full");
  EXPECT_EQ(label(turn::EndReason::Revoked), "revoked");
  EXPECT_EQ(label(net::StreamKind::Https), "https");
  EXPECT_EQ(label(net::StreamRefusal::AcceptFailed), "accept_failed");
}

TEST(ProcessStats, ArePlausible) {
  const ProcessStats stats = read_process_stats(17);
  const auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_GT(stats.resident_bytes, 1U << 20);
  EXPECT_GE(stats.virtual_bytes, stats.resident_bytes);
  EXPECT_EQ(stats.open_fds, 17U);
  EXPECT_GE(stats.max_fds, stats.open_fds);
  EXPECT_GE(stats.cpu_seconds, 0);
  EXPECT_LT(stats.cpu_seconds, 1000);
  EXPECT_NEAR(stats.start_time_seconds, now, 1000);
}

TEST(Metrics, PromtoolFindsNothing) {
  if (!std::filesystem::exists("/usr/bin/promtool"))
    GTEST_SKIP() << "no promtool (Debian package prometheus)";
  const auto path = std::filesystem::temp_directory_path() / "turnstone_metrics_test.txt";
  std::ofstream(path) << expose(full());
  FILE* pipe = popen(("/usr/bin/promtool check metrics 2>&1 < " + path.string()).c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  char buffer[256];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) output += buffer;
  EXPECT_EQ(pclose(pipe), 0);
  EXPECT_EQ(output, "");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace ts::metrics
