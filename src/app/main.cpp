// SPDX-License-Identifier: Apache-2.0
#include <turnstone/app/cli.hpp>

int main(int argc, char** argv) { return ts::app::run(ts::app::parse_command_line(argc, argv)); }
