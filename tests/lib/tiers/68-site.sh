# SPDX-License-Identifier: Apache-2.0
# title: the documents: links, names of keys, their commands with the release build, and the site
# modes: default full
# needs: unit test site
# shellcheck shell=bash
run_script site 300 tests/site/run_site
if [ -z "${TURNSTONE:-}" ]; then
  build release turnstone
  export TURNSTONE=$TS_ROOT/build/release/turnstone
fi
run_script quickstarts 300 tests/site/run_quickstarts
