# SPDX-License-Identifier: Apache-2.0
# title: the browser library's unit tests
# modes: default full
# needs: unit test
# shellcheck shell=bash
major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p' || true)
if [ "${major:-0}" -lt 18 ]; then
  skip web "no node of version 18 or newer"
  exit 0
fi
mapfile -t tests < <(find tests/web -name '*.test.*js' | sort)
if [ ${#tests[@]} -eq 0 ]; then
  skip web "no tests in tests/web"
  exit 0
fi
status=0
logged 300 node node --test --test-reporter=tap "${tests[@]}" || status=$?
"$PYTHON" tests/lib/tap.py "$TS_TIER" "$TS_LOGS/$TS_TIER.node.log" >>"$TS_RESULTS"
exit $status
