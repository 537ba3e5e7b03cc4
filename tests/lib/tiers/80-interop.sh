# SPDX-License-Identifier: Apache-2.0
# title: foreign implementations against the release build
# modes: default full
# needs: unit test
# shellcheck shell=bash
# tests/interop/*/run and tests/interop/run_*: exit status 0, 1, or 77 with the reason as the last line. Their lines
# "ok   NAME", "FAIL NAME: why" and "skip NAME: why" are counted. They get:
#   TURNSTONE      the server's binary
#   NODE_MODULES   the folder with the npm packages of tests/lib/npm/package.json (also in NODE_PATH), where there are any
#   TS_MODE        default or full
mapfile -t scripts < <(find tests/interop -mindepth 1 -maxdepth 2 -type f -executable \
  \( -path 'tests/interop/*/run' -o -path 'tests/interop/run_*' \) 2>/dev/null | sort)
if [ ${#scripts[@]} -eq 0 ]; then
  skip interop "no scripts in tests/interop"
  exit 0
fi
export TURNSTONE=$TS_ROOT/build/release/turnstone
build release turnstone

# The npm packages are installed outside of the tree's tracked folders, and again only when the lock file changes.
export NODE_MODULES=$TS_ROOT/build/npm/node_modules
export NODE_PATH=$NODE_MODULES
if command -v npm >/dev/null && ! cmp -s tests/lib/npm/package-lock.json build/npm/installed; then
  if [ "$TS_INSTALL" = yes ]; then
    mkdir -p build/npm
    cp tests/lib/npm/package.json tests/lib/npm/package-lock.json build/npm/
    if logged 300 npm npm --prefix build/npm ci --no-audit --no-fund --ignore-scripts; then
      cp tests/lib/npm/package-lock.json build/npm/installed
    else
      ts_say "    the npm packages could not be installed; what needs them says so"
    fi
  fi
fi

limit=300
[ "$TS_MODE" != full ] || limit=1200
for script in "${scripts[@]}"; do
  name=${script#tests/interop/}
  run_script "${name%/run}" "$limit" "$script"
done
