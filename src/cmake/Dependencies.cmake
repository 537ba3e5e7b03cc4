# SPDX-License-Identifier: Apache-2.0
# What we use from Debian 12. A missing one names its package; the whole list is deploy/packages.txt.

macro(ts_need found package what)
  if(NOT ${found})
    message(FATAL_ERROR "${what} was not found. On Debian 12: apt-get install ${package} "
                        "(all of them: grep -v '^#' deploy/packages.txt)")
  endif()
endmacro()

find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 QUIET)
ts_need(OpenSSL_FOUND libssl-dev "OpenSSL 3")
find_package(Boost 1.81 QUIET)
ts_need(Boost_FOUND libboost1.81-dev "Boost 1.81 (headers)")
find_package(nlohmann_json QUIET)
ts_need(nlohmann_json_FOUND nlohmann-json3-dev "nlohmann/json")
find_package(yaml-cpp QUIET)
ts_need(yaml-cpp_FOUND libyaml-cpp-dev "yaml-cpp")
find_package(prometheus-cpp QUIET COMPONENTS core)
ts_need(prometheus-cpp_FOUND prometheus-cpp-dev "prometheus-cpp (core)")
find_package(spdlog QUIET)
ts_need(spdlog_FOUND libspdlog-dev "spdlog")
find_package(CLI11 QUIET)
ts_need(CLI11_FOUND libcli11-dev "CLI11")

if(TURNSTONE_TESTS)
  find_package(GTest QUIET)
  ts_need(GTest_FOUND "libgtest-dev libgmock-dev" "GoogleTest")
endif()
if(TURNSTONE_BENCH)
  find_package(benchmark QUIET)
  ts_need(benchmark_FOUND libbenchmark-dev "Google Benchmark")
endif()
