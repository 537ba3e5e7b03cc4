// SPDX-License-Identifier: Apache-2.0
// Which way of moving datagrams the kernel allows. At start-up.
#pragma once

#include <string>
#include <string_view>

#include <turnstone/net/options.hpp>

namespace ts::net {

std::string_view name_of(UdpEngineKind kind) noexcept;

/// Epoll or IoUring, by trying. `why`: the kernel's reason when io_uring was wanted, or could have been, and
/// does not work; else empty.
UdpEngineKind choose_udp_engine(UdpEngineKind wanted, std::string& why);

}  // namespace ts::net
