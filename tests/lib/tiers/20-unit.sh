# SPDX-License-Identifier: Apache-2.0
# title: unit tests (preset dev)
# modes: fast full
# needs: unit
# shellcheck shell=bash
configure dev
mapfile -t binaries < <(targets dev 'test_(unit_[a-z]+|vectors|machine)')
if [ ${#binaries[@]} -eq 0 ]; then
  skip unit "no unit tests in this tree"
  exit 0
fi
build dev "${binaries[@]}"
run_ctest dev -R '^(unit_|vectors$|machine$)'
