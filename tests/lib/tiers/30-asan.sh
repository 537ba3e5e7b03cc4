# SPDX-License-Identifier: Apache-2.0
# title: all tests under AddressSanitizer and UndefinedBehaviorSanitizer (preset asan)
# modes: default full
# needs: unit test
# shellcheck shell=bash
build asan
run_ctest asan -LE lint
