# SPDX-License-Identifier: Apache-2.0
# title: the container image, read-only and without capabilities, and the chart's pod from it
# modes: full
# needs: unit test full
# shellcheck shell=bash
if [ -z "${TURNSTONE:-}" ]; then
  build release turnstone
  export TURNSTONE=$TS_ROOT/build/release/turnstone
fi
# The stage that compiles is built, too; TS_IMAGE_BUILD=0 puts the binary at hand in its place.
export TS_IMAGE_BUILD=${TS_IMAGE_BUILD:-1}
run_script image 5400 tests/image/run_image
