# SPDX-License-Identifier: Apache-2.0
# title: corpora, then each fuzz target for a while (preset fuzz, clang)
# modes: default full
# needs: unit test
# shellcheck shell=bash
command -v clang++ >/dev/null || { skip fuzz "clang is not installed"; exit 0; }
# Everything builds with clang; the targets run even where something else does not.
if build fuzz; then
  pass "clang builds all"
else
  logged 3000 build-targets ninja -C build/fuzz -j "$TS_JOBS" -k 0 || true
fi
found=build/fuzz/found
artifacts=build/fuzz/artifacts
mkdir -p "$artifacts"

# One target: every file of its corpus once, then new inputs, which stay outside of the tree.
fuzz_one() {
  local binary=$1 name corpus=() known
  name=$(basename "$binary")
  for known in "tests/fuzz/corpus/$name" "tests/fuzz/corpus/${name#fuzz_}"; do
    [ ! -d "$known" ] || corpus+=("$known")
  done
  mkdir -p "$found/$name"
  local options=(-timeout=20 -rss_limit_mb=3072 "-artifact_prefix=$artifacts/$name-" -print_final_stats=1)
  if [ ${#corpus[@]} -gt 0 ]; then
    if ! "$binary" "${options[@]}" -runs=0 "${corpus[@]}"; then
      fail "$name: corpus" "see build/logs/$TS_TIER.$name.log"
      return 0
    fi
    pass "$name: corpus"
  fi
  local dictionary=()
  [ ! -f "tests/fuzz/corpus/$name.dict" ] || dictionary=("-dict=tests/fuzz/corpus/$name.dict")
  if timeout --kill-after=15 $((TS_FUZZ_SECONDS * 2 + 120)) "$binary" "${options[@]}" "${dictionary[@]}" \
    "-max_total_time=$TS_FUZZ_SECONDS" "$found/$name" "${corpus[@]}"; then
    pass "$name: $TS_FUZZ_SECONDS s"
  else
    fail "$name: $TS_FUZZ_SECONDS s" "input in build/fuzz/artifacts, log build/logs/$TS_TIER.$name.log"
  fi
}

mapfile -t binaries < <(find build/fuzz/tests/fuzz -maxdepth 1 -type f -executable -name 'fuzz_*' 2>/dev/null | sort)
if [ ${#binaries[@]} -eq 0 ]; then
  skip fuzz "no fuzz targets in this tree"
  exit 0
fi
declare -A running=()
# Waits until fewer than $1 targets run.
drain() {
  while [ "$(jobs -rp | wc -l)" -ge "$1" ]; do sleep 1; done
}
count=0
for binary in "${binaries[@]}"; do
  drain "$TS_JOBS"
  name=$(basename "$binary")
  count=$((count + 1))
  ts_say "    $name ($count/${#binaries[@]}), $TS_FUZZ_SECONDS s"
  fuzz_one "$binary" >"$TS_LOGS/$TS_TIER.$name.log" 2>&1 &
  running[$name]=$!
done
for name in "${!running[@]}"; do
  wait "${running[$name]}" || fail "$name" "did not end as it should"
  executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$TS_LOGS/$TS_TIER.$name.log" | tail -n 1)
  ts_say "    $name: ${executed:-no} inputs"
done
if grep -q -P "^$TS_TIER\tfail\t" "$TS_RESULTS"; then
  for name in "${!running[@]}"; do
    grep -l -E 'ERROR|SUMMARY' "$TS_LOGS/$TS_TIER.$name.log" >/dev/null || continue
    ts_say "    $name:"
    grep -A 25 -m 1 -E 'ERROR|runtime error' "$TS_LOGS/$TS_TIER.$name.log" || true
  done
fi
