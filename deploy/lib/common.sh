# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by deploy/quickstart and tests/run: elapsed time, jobs, ccache.

TS_STARTED=${TS_STARTED:-$(date +%s)}
export TS_STARTED

# m:ss since $1 (seconds since the epoch).
ts_elapsed() {
  local seconds=$(($(date +%s) - $1))
  printf '%d:%02d' $((seconds / 60)) $((seconds % 60))
}

# One line of progress.
ts_say() { printf '[%s] %s\n' "$(ts_elapsed "$TS_STARTED")" "$*"; }

ts_die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# As many compilers at once as there are processors, and 1.5 GB of memory for each.
ts_jobs() {
  local jobs memory
  jobs=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1572864) }' /proc/meminfo)
  [ "$memory" -ge "$jobs" ] || jobs=$memory
  [ "$jobs" -ge 1 ] || jobs=1
  echo "$jobs"
}

# Compiler results are kept between runs and between build folders.
ts_ccache() {
  export HOME=${HOME:-/root}
  export CCACHE_DIR=${CCACHE_DIR:-$HOME/.cache/ccache}
  export CCACHE_BASEDIR=$1 CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G}
}
