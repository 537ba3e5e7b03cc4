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
for bench in run signaling; do
  status=0
  logged 900 "$bench" "tests/bench/$bench" --smoke || status=$?
  case $status in
    0) pass "bench smoke, $bench" ;;
    77) skip "bench smoke, $bench" "$(tail -n 1 "$TS_LOGS/$TS_TIER.$bench.log")" ;;
    *) fail "bench smoke, $bench" "$(tail -n 1 "$TS_LOGS/$TS_TIER.$bench.log")" ;;
  esac
  # Servers and places that are not here: "SKIPPED what: reason".
  while IFS=: read -r what reason; do
    skip "bench smoke, ${what#SKIPPED }" "${reason# }"
  done < <(head -n -1 "$TS_LOGS/$TS_TIER.$bench.log" | grep '^SKIPPED ' || true)
done
