# SPDX-License-Identifier: Apache-2.0
# title: the release build of the server
# modes: default full
# needs: unit
# shellcheck shell=bash
if [ ! -f src/app/main.cpp ]; then
  skip release "no src/app/main.cpp in this tree"
  exit 0
fi
build release turnstone
pass "build release"
if logged 20 version build/release/turnstone --version; then pass "turnstone --version"; else fail "turnstone --version"; fi
