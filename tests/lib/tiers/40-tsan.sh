# SPDX-License-Identifier: Apache-2.0
# title: the shell's tests under ThreadSanitizer, with epoll moving the datagrams (preset tsan)
# modes: default full
# needs: unit test
# shellcheck shell=bash
configure tsan
if [ -z "$(targets tsan test_shell)" ]; then
  skip shell "no shell tests in this tree"
  exit 0
fi
build tsan test_shell
# Elsewhere it is io_uring, where the kernel allows it.
TS_TEST_ENGINE=epoll run_ctest tsan -R '^shell$'
