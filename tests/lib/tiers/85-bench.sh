# SPDX-License-Identifier: Apache-2.0
# title: the benchmarks start and measure something
# modes: default full
# needs: unit test
# shellcheck shell=bash
if [ ! -x tests/bench/run ]; then
  skip bench "no tests/bench/run in this tree"
  exit 0
fi
export TURNSTONE=$TS_ROOT/build/release/turnstone
status=0
logged 900 smoke tests/bench/run --smoke || status=$?
case $status in
  0) pass "bench smoke" ;;
  77) skip "bench smoke" "$(tail -n 1 "$TS_LOGS/$TS_TIER.smoke.log")" ;;
  *) fail "bench smoke" "$(tail -n 1 "$TS_LOGS/$TS_TIER.smoke.log")" ;;
esac
# Servers and places that are not here: "SKIPPED what: reason".
while IFS=: read -r what reason; do
  skip "bench smoke, ${what#SKIPPED }" "${reason# }"
done < <(head -n -1 "$TS_LOGS/$TS_TIER.smoke.log" | grep '^SKIPPED ' || true)
