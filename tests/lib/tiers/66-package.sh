# SPDX-License-Identifier: Apache-2.0
# title: what is installed: cmake --install, the embedded cores, the systemd unit, the Debian packages
# modes: default full
# needs: unit test package
# shellcheck shell=bash
build release turnstone
export TS_BUILD=$TS_ROOT/build/release
run_script package 600 tests/package/run_package
