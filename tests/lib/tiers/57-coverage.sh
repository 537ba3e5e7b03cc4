# SPDX-License-Identifier: Apache-2.0
# title: line and branch coverage of stun and turn by their own tests and corpora (clang)
# modes: full
# needs: unit test
# shellcheck shell=bash
# The thresholds are what was reached, rounded down: they rise with the tests.
status=0
logged 3000 coverage tests/lib/coverage --jobs "$TS_JOBS" --least-lines 95 --least-branches 95 || status=$?
log=$TS_LOGS/$TS_TIER.coverage.log
sed -n '/^never reached:/,$s/^/    /p' "$log"
case $status in
  0) pass "coverage of stun and turn" ;;
  77) skip "coverage" "$(tail -n 1 "$log")" ;;
  *) fail "coverage of stun and turn" "$(tail -n 1 "$log")" ;;
esac
