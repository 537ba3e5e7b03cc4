# SPDX-License-Identifier: Apache-2.0
# title: the documents: links, names of keys, and the site
# modes: default full
# needs: unit site
# shellcheck shell=bash
run_script site 300 tests/site/run_site
