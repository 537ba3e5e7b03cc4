// SPDX-License-Identifier: Apache-2.0
// What can only be checked with all keys known.
#pragma once

#include <turnstone/config/load.hpp>

#include "loading.hpp"

namespace ts::config {

/// Reads auth.secrets_file, auth.users_file and signaling.token_file into their sections.
void read_secret_files(Loading& loading, const FileReader& reader);

/// The same for what realms must have, and must not have in common.
void check_realms(Loading& loading);

/// Signaling's secrets must not be those of TURN credentials.
void check_shared_secrets(Loading& loading);

/// The same for what is posted to applications: secrets, names of events and rights.
void check_webhooks(Loading& loading);

/// Appends a problem for each contradiction between keys, naming all keys it is about.
void check(Loading& loading, const FileReader& reader);

}  // namespace ts::config
