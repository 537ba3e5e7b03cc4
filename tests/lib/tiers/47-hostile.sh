# SPDX-License-Identifier: Apache-2.0
# title: mutated messages against a server of its own, over every transport (preset asan)
# modes: default full
# needs: unit
# shellcheck shell=bash
# TS_HOSTILE_MESSAGES (1,000,000; ten times that with --full) and TS_HOSTILE_SEED (1) say how many and which.
configure asan
if [ -z "$(targets asan hostile)" ]; then
  skip hostile "no hostile-input tool in this tree"
  exit 0
fi
build asan hostile turnstone
messages=1000000
[ "$TS_MODE" != full ] || messages=10000000
messages=${TS_HOSTILE_MESSAGES:-$messages}
fixed=()
if setarch "$(uname -m)" -R true 2>/dev/null; then fixed=(setarch "$(uname -m)" -R); fi
log=$TS_LOGS/$TS_TIER.storm.log
status=0
logged $((600 + messages / 3000)) storm "${fixed[@]}" build/asan/hostile --server build/asan/turnstone \
  --messages "$messages" --seed "${TS_HOSTILE_SEED:-1}" || status=$?
sed -n 's/^\(seed \|[0-9]* mutated\|core:\|witness\|before\)/    \1/p' "$log"
while read -r reason; do skip "storm: ${reason%%:*}" "${reason#*: }"; done < <(sed -n 's/^SKIPPED: //p' "$log")
if [ $status -eq 0 ]; then
  pass "storm: $messages messages"
else
  fail "storm: $messages messages" "$(grep -m 1 '^FAIL' "$log" | cut -c 1-200 || true)"
fi
