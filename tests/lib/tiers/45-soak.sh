# SPDX-License-Identifier: Apache-2.0
# title: churn; memory, descriptors and ports return to where they began (preset release)
# modes: default full
# needs: unit
# shellcheck shell=bash
configure release
if [ -z "$(targets release test_soak)" ]; then
  skip soak "no soak test in this tree"
  exit 0
fi
build release test_soak
# A minute in CI, twenty with --full.
seconds=60
[ "$TS_MODE" != full ] || seconds=1200
TS_SOAK_SECONDS=${TS_SOAK_SECONDS:-$seconds} run_ctest release -R '^soak$'
