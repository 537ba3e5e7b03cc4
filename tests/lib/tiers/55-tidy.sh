# SPDX-License-Identifier: Apache-2.0
# title: clang-tidy on src (the pure layers and what changed; all of it with --full)
# modes: default full
# needs: unit test
# shellcheck shell=bash
command -v clang-tidy >/dev/null || { skip tidy "clang-tidy is not installed"; exit 0; }
configure fuzz
options=()
[ "$TS_MODE" != full ] || options=(--all)
status=0
logged 2400 tidy "$PYTHON" tests/lint/tidy.py build/fuzz --jobs "$TS_JOBS" "${options[@]}" || status=$?
case $status in
  0) pass tidy ;;
  77) skip tidy "$(tail -n 1 "$TS_LOGS/$TS_TIER.tidy.log")" ;;
  *) fail tidy "$(tail -n 1 "$TS_LOGS/$TS_TIER.tidy.log")" ;;
esac
