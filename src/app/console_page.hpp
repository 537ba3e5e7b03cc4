// SPDX-License-Identifier: Apache-2.0
// The console's files on the admin listener. They hold no secret: whoever may connect gets them, and asks the
// admin API with the token that the operator enters.
#pragma once

#include <optional>

#include <turnstone/net/http_server.hpp>

namespace ts::app {

/// The answer to a request for the console; nothing: it is for something else.
std::optional<net::HttpResponse> console_page(const net::HttpRequest& request);

}  // namespace ts::app
