// SPDX-License-Identifier: Apache-2.0
// Keys of TLS session tickets that outlive the process and may be other nodes', too: clients that come back
// after a restart, or to another node, need no full handshake (RFC 8446 §4.6.1, §2.2).
#pragma once

#include <string>

struct ssl_ctx_st;

namespace ts::net {

/// Seals tickets with the keys of a file: one to four lines of 64 hexadecimal digits; empty lines and what
/// begins with # are passed over. The first one seals, each opens. Only tickets of TLS 1.3, whose resumption
/// makes fresh keys by (EC)DHE all the same: with TLS 1.2 whoever gets the file could read what was recorded,
/// so there are none. The context keeps the keys. What is wrong with the file and what to do, or empty.
std::string use_ticket_keys(ssl_ctx_st* context, const std::string& file);

}  // namespace ts::net
