# SPDX-License-Identifier: Apache-2.0
# title: symbols of the pure libraries; every public header compiles alone
# modes: default full
# needs: unit test
# shellcheck shell=bash
# Uses 30-asan's build folder: a sanitized build shows the same outside symbols, and saves a build.
build asan
if logged 120 symbols "$PYTHON" tests/lint/symbols.py build/asan; then
  pass symbols
else
  fail symbols "$(tail -n 1 "$TS_LOGS/$TS_TIER.symbols.log")"
fi
if logged 1200 headers ninja -C build/asan -j "$TS_JOBS" -k 0 all_verify_interface_header_sets; then
  pass headers
else
  fail headers "a public header does not compile alone"
fi
