// SPDX-License-Identifier: Apache-2.0
// Allocations that do nothing, for a look at what they take. See run_idle() for what it says and waits for.
#include <cstdio>

#include "client.hpp"
#include "load.hpp"

namespace ts::load {

int run_idle(const Options& o) {
  std::vector<Allocation> clients;
  for (std::size_t i = 0; i < o.allocations; ++i)
    clients.push_back(open_client(o.transport, {client_address(o, i), 0}, o.server));
  std::printf("sockets\n");
  std::fflush(stdout);
  if (std::getchar() == EOF) return 1;
  const std::uint64_t start = now_ns();
  const IpFamily family = o.peer_address.family();
  for (std::size_t i = 0; i < clients.size(); ++i) {
    if (allocate(clients[i], o.credentials, family)) continue;
    clients[i] = allocate(o.transport, {client_address(o, i), 0}, o.server, o.credentials, family);
  }
  std::printf("allocated %.3f\n", static_cast<double>(now_ns() - start) / 1e9);
  std::fflush(stdout);
  if (std::getchar() == EOF) return 1;
  for (Allocation& a : clients) release(a, o.credentials);
  return 0;
}

}  // namespace ts::load
