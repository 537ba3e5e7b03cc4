# SPDX-License-Identifier: Apache-2.0
# title: Helm chart, alerts, dashboards, compose file, doctor, with the release build
# modes: default full
# needs: unit test
# shellcheck shell=bash
# TURNSTONE names another binary than the release build's; TS_KUBERNETES the folder with Kubernetes' schemas.
if [ -z "${TURNSTONE:-}" ]; then
  build release turnstone
  export TURNSTONE=$TS_ROOT/build/release/turnstone
fi
run_script chart 300 tests/helm/run_chart
run_script rules 120 tests/monitoring/run_rules
run_script compose 60 tests/monitoring/run_compose
run_script live 180 tests/monitoring/run_live
run_script doctor 120 tests/doctor/run_doctor
run_script alerts 240 tests/monitoring/run_alerts
