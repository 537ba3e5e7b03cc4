// SPDX-License-Identifier: Apache-2.0
// Forwarder: passes HTTP requests and WebSockets that belong to sessions of other nodes on to those nodes,
// and knows the requests that they pass on to this one. Knows no dialect: who owns a session it is told. On
// the thread of its io_context. docs/several-nodes.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

#include <turnstone/net/counters.hpp>
#include <turnstone/signal/cluster_key.hpp>

namespace ts::net {

/// Another node: its mark, and where its HTTP port is.
struct OtherNode {
  std::string mark;
  std::string url;
};

struct ForwarderOptions {
  /// This node's mark (signal/forward_pass.hpp).
  std::string mark;
  /// Requests at once; WebSockets take half of it at most. Large bodies that are read or on their way, in
  /// bytes, and one answer.
  std::size_t max_under_way = 2'000;
  std::size_t max_body_bytes = std::size_t{64} << 20;
  /// Of those, what one client (IPv4 address, IPv6 /64) may have beyond its first one.
  std::size_t max_body_bytes_of_one = std::size_t{8} << 20;
  std::size_t max_answer_bytes = std::size_t{16} << 20;
  std::chrono::milliseconds connect_timeout{3'000};
  /// How long a node may take to answer an upgrade.
  std::chrono::milliseconds upgrade_timeout{10'000};
};

class Forwarder {
 public:
  /// Whose the session with this name is; nothing: this node's, or nobody's.
  using Whose = std::function<std::optional<OtherNode>(std::string_view sid)>;
  /// Takes what went wrong, for a log, now and then.
  using Report = std::function<void(const std::string& trouble)>;

  Forwarder(boost::asio::io_context& context, ForwarderOptions options, const signal::ClusterKey& key,
            Whose whose, Report report);
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;
  /// stop().
  ~Forwarder();

  /// Lowers the number of what is under way at once to `most`; what it is then.
  std::size_t cap(std::size_t most) noexcept;
  /// Begins nothing any more, and ends polls, which might wait for long: their clients get a 503. What else
  /// is under way comes to its end before long, or ends with the client's connection. Idempotent.
  void stop() noexcept;
  const ForwardCounters& counters() const noexcept;

  class Impl;
  const std::shared_ptr<Impl>& impl() const noexcept { return impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace ts::net
