// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>

namespace ts::app {

/// context.run(), again after a handler has thrown: that is a fault of ours (TS_BUG), and no reason to end
/// what everybody else does on this thread. What the handler belonged to ends with it.
void run_loop(boost::asio::io_context& context);

}  // namespace ts::app
