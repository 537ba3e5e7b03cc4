// SPDX-License-Identifier: Apache-2.0
#include <boost/asio/detail/config.hpp>
#include <openssl/crypto.h>

#include <turnstone/app/cli.hpp>
#include <turnstone/metrics/snapshot.hpp>

namespace ts::app {

std::string version_text() {
  const metrics::BuildInfo build = metrics::build_info();
  std::string boost = BOOST_LIB_VERSION;
  for (char& c : boost) c = c == '_' ? '.' : c;
  return "turnstone " + build.version + "\ncommit    " + build.commit + "\ncompiler  " + build.compiler +
         "\nOpenSSL   " + OpenSSL_version(OPENSSL_VERSION_STRING) + "\nBoost     " + boost + '\n';
}

}  // namespace ts::app
