// SPDX-License-Identifier: Apache-2.0
#include "run_loop.hpp"

#include <exception>

#include <turnstone/base/check.hpp>

namespace ts::app {

void run_loop(boost::asio::io_context& context) {
  for (;;) {
    try {
      context.run();
      return;
    } catch (const std::exception&) {
      // Its text may quote what a client sent.
      TS_BUG("a handler has thrown");
    }
  }
}

}  // namespace ts::app
