# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What a tier (tests/lib/tiers/*.sh) is written with. A tier runs in a process of its own with -euo pipefail; it
# reports with pass, fail and skip, and a tier that reports nothing and succeeds counts as skipped.
# shellcheck source=deploy/lib/common.sh
source "$TS_ROOT/deploy/lib/common.sh"
cd "$TS_ROOT" || exit 1

export TS_LOGS=$TS_ROOT/build/logs
mkdir -p "$TS_LOGS"
PYTHON=/usr/bin/python3
[ -x $PYTHON ] || PYTHON=python3
export PYTHON PYTHONDONTWRITEBYTECODE=1

# report OUTCOME TEST [REASON]
report() {
  printf '%s\t%s\t%s\t%s\n' "$TS_TIER" "$1" "$2" "$(tr '\t\n' '  ' <<<"${3:-}" | sed 's/ *$//')" >>"$TS_RESULTS"
}
pass() { report pass "$1"; }
fail() {
  report fail "$1" "${2:-}"
  ts_say "    FAILED: $1${2:+: $2}"
}
skip() {
  report skip "$1" "${2:?a skip needs a reason}"
  ts_say "    SKIPPED: $1: $2"
}

# An interrupted tier takes its running command along.
TS_CHILD=
trap '[ -z "$TS_CHILD" ] || kill "$TS_CHILD" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM HUP

# logged SECONDS LABEL COMMAND...: runs it with its output in build/logs/<tier>.<label>.log; shows the log's newest line
# every 15 seconds, and the end of the log on failure. More than SECONDS is a failure (124).
logged() {
  local limit=$1 label=$2 log status=0 started waited=0
  shift 2
  log=$TS_LOGS/$TS_TIER.${label//[^A-Za-z0-9._-]/_}.log
  started=$(date +%s)
  timeout --kill-after=15 "$limit" "$@" >"$log" 2>&1 &
  TS_CHILD=$!
  while kill -0 $TS_CHILD 2>/dev/null; do
    sleep 0.2
    waited=$((waited + 1))
    if [ $((waited % 75)) -eq 0 ]; then
      ts_say "    $label, $(ts_elapsed "$started"): $(tail -n 1 "$log" | tr '\r' '\n' | tail -n 1 | cut -c 1-120)"
    fi
  done
  wait $TS_CHILD || status=$?
  TS_CHILD=
  if [ $status -eq 0 ]; then
    ts_say "    $label: $(ts_elapsed "$started")"
  else
    # Of a build's log, the errors; of another, the end.
    if [[ $label == build-* || $label == configure-* ]] && grep -q -E '(error:|^FAILED:|CMake Error)' "$log"; then
      grep -A 12 -E '(error:|^FAILED:|CMake Error)' "$log" | cut -c 1-200 | head -n 80
      echo '    ...'
      tail -n 3 "$log"
    else
      tail -n 60 "$log" | cut -c 1-300
    fi
    [ $status -ne 124 ] || ts_say "    $label: stopped after $limit seconds"
    ts_say "    $label: exit status $status; all of it: ${log#"$TS_ROOT/"}"
  fi
  return $status
}

# configure PRESET: configures build/PRESET. A folder that somebody configured otherwise gets the preset's tests again.
TS_CONFIGURED=
configure() {
  local options=()
  [[ " $TS_CONFIGURED " != *" $1 "* ]] || return 0
  case $1 in dev | asan | tsan | release) options=(-DTURNSTONE_TESTS=ON) ;; esac
  logged 300 "configure-$1" cmake --preset "$1" "${options[@]}" || { fail "configure $1" "see build/logs"; return 1; }
  TS_CONFIGURED+=" $1"
}

# build PRESET TARGET...: configures build/PRESET and builds the targets there; all of them when none is named.
build() {
  local preset=$1
  shift
  configure "$preset" || return 1
  logged 3000 "build-$preset" ninja -C "build/$preset" -j "$TS_JOBS" "$@" ||
    { fail "build $preset" "see build/logs"; return 1; }
}

# targets PRESET REGEX: the targets of a configured build folder whose whole name matches.
targets() { ninja -C "build/$1" -t targets all | sed -n 's/^\([^:]*\): .*/\1/p' | grep -Ex "$2" || true; }

# run_ctest PRESET CTEST-OPTION...: runs tests that are built, and reports every GoogleTest case and other test.
run_ctest() {
  local preset=$1 status=0 out
  shift
  out=$TS_LOGS/$TS_TIER.cases
  rm -rf "$out"
  mkdir -p "$out"
  # The sanitizers' shadow memory wants an address space that is not randomised over too many bits.
  local fixed=()
  if [ "$preset" != dev ] && setarch "$(uname -m)" -R true 2>/dev/null; then fixed=(setarch "$(uname -m)" -R); fi
  GTEST_OUTPUT="xml:$out/" logged 1500 "ctest-$preset" \
    "${fixed[@]}" ctest --test-dir "build/$preset" --output-on-failure --timeout 900 -j "$TS_JOBS" --no-tests=error \
    --output-junit "$out/ctest.junit" "$@" || status=$?
  "$PYTHON" "$TS_ROOT/tests/lib/cases.py" "$TS_TIER" "$out" >>"$TS_RESULTS" || fail "ctest $preset" "no results"
  return $status
}

# run_script NAME SECONDS COMMAND...: a test that counts by itself. Its exit status is 0, 1, or 77 with the reason as the last
# line; its lines "ok   TEST", "FAIL TEST: why" and "skip TEST: why" are reported.
run_script() {
  local name=$1 limit=$2 status=0 counted=0 log last outcome test
  shift 2
  logged "$limit" "$name" "$@" || status=$?
  log=$TS_LOGS/$TS_TIER.${name//[^A-Za-z0-9._-]/_}.log
  last=$(grep -v '^[[:space:]]*$' "$log" | tail -n 1 || true)
  if [ "$status" -eq 77 ]; then
    skip "$name" "${last:-no reason given}"
    return 0
  fi
  while read -r outcome test; do
    counted=$((counted + 1))
    case $outcome in
      ok) pass "$name: $test" ;;
      FAIL) fail "$name: ${test%%: *}" "${test#*: }" ;;
      skip) skip "$name: ${test%%: *}" "${test#*: }" ;;
    esac
  done < <(grep -E '^(ok|FAIL|skip) +[^ ]' "$log")
  if [ "$status" -eq 124 ]; then
    fail "$name" "stopped after $limit seconds"
  elif [ "$status" -ne 0 ]; then
    grep -q '^FAIL ' "$log" || fail "$name" "exit status $status: $last"
  elif [ $counted -eq 0 ]; then
    pass "$name"
  fi
}

# Options of the sanitizers' runtimes: a finding ends the process with a failure.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}
