# SPDX-License-Identifier: Apache-2.0
# title: the container image, read-only and without capabilities, and the chart's pod from it
# modes: full
# needs: unit test full
# shellcheck shell=bash
if [ -z "${TURNSTONE:-}" ]; then
  build release turnstone
  export TURNSTONE=$TS_ROOT/build/release/turnstone
fi
run_script image 3600 tests/image/run_image
