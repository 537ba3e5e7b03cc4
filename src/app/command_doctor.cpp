// SPDX-License-Identifier: Apache-2.0
// `turnstone doctor`: findings about this host and a configuration, printed.
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>

#include <unistd.h>

#include <turnstone/app/cli.hpp>

#include "doctor/examine.hpp"
#include "doctor/render.hpp"
#include "probe/url.hpp"

namespace ts::app {

int run_doctor(const config::LoadResult& loaded, const DoctorCommand& command) {
  constexpr int kNotRun = 2;
  if (!command.server.empty()) {
    const auto url = probe::parse_url(command.server);
    const bool stun =
        url.has_value() && (url->service == probe::Service::Stun || url->service == probe::Service::Turn);
    if (!stun) {
      std::cerr << "turnstone: --server: expected a URL such as stun:stun.example.org, found "
                << probe::redacted(command.server) << '\n';
      return kNotRun;
    }
  }
  // A peer that closes a TLS stream early must not end us.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const doctor::Findings findings = doctor::examine(loaded, command.server);
    const bool colours = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
    std::cout << (command.json ? doctor::to_json(findings) : doctor::to_text(findings, colours))
              << std::flush;
    if (!std::cout) return kNotRun;
    return doctor::has_fault(findings) ? 1 : 0;
  } catch (const std::exception& error) {
    std::cerr << "turnstone: doctor: " << error.what() << '\n';
    return kNotRun;
  }
}

}  // namespace ts::app
