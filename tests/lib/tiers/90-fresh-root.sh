# SPDX-License-Identifier: Apache-2.0
# title: from nothing to a running server in a fresh Debian 12
# modes: full
# needs: unit test full
# shellcheck shell=bash
status=0
logged 5400 fresh-root tests/full/fresh-root || status=$?
last=$(tail -n 1 "$TS_LOGS/$TS_TIER.fresh-root.log")
grep '^fresh-root: ' "$TS_LOGS/$TS_TIER.fresh-root.log" || true
case $status in
  0) pass "fresh root" ;;
  77) skip "fresh root" "$last" ;;
  *) fail "fresh root" "$last" ;;
esac
