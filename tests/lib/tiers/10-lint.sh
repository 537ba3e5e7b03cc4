# SPDX-License-Identifier: Apache-2.0
# title: layers, sizes, format, the conformance table, examples, and the lints' own test
# modes: default full
# needs: unit test
# shellcheck shell=bash
for lint in layers sizes format conformance examples selftest; do
  status=0
  logged 300 "$lint" "$PYTHON" "tests/lint/$lint.py" || status=$?
  case $status in
    0) pass "$lint" ;;
    77) skip "$lint" "$(tail -n 1 "$TS_LOGS/$TS_TIER.$lint.log")" ;;
    *) fail "$lint" "$(tail -n 1 "$TS_LOGS/$TS_TIER.$lint.log")" ;;
  esac
done
