# SPDX-License-Identifier: Apache-2.0
# title: churn for minutes; memory, descriptors and ports return to where they began (preset dev)
# modes: full
# needs: unit
# shellcheck shell=bash
configure dev
if [ -z "$(targets dev test_soak)" ]; then
  skip soak "no soak test in this tree"
  exit 0
fi
build dev test_soak
TS_SOAK_SECONDS=${TS_SOAK_SECONDS:-240} run_ctest dev -R '^soak$'
