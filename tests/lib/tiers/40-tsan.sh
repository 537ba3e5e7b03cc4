# SPDX-License-Identifier: Apache-2.0
# title: the shell's tests under ThreadSanitizer (preset tsan)
# modes: default full
# needs: unit test
# shellcheck shell=bash
configure tsan
if [ -z "$(targets tsan test_shell)" ]; then
  skip shell "no shell tests in this tree"
  exit 0
fi
build tsan test_shell
run_ctest tsan -R '^shell$'
