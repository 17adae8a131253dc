// The commands that need more than the file: running as the daemon, and printing the ruleset. Start-up
// happens here, in the order that is safe: nothing is opened before the configuration is whole, and nothing
// forwards from then on until the election says so.
#pragma once

#include <ostream>

#include "appliance/command_line.hpp"

namespace ftfw {

// Runs until SIGTERM; returns the exit code of the program (design: 0, 2, 4).
int run_daemon(const Options& options);

// The tables that the primary loads, as nft text.
int run_print_ruleset(const Options& options, std::ostream& out, std::ostream& err);

}  // namespace ftfw
