// --check: judges a configuration and this machine's fit for it, once, and changes nothing. What the file
// says wrongly is an error; what this machine lacks is a warning, so that a file can be checked anywhere. A
// key file that exists and is unsafe or no key is an error, wherever it stands.
#pragma once

#include <ostream>

#include "appliance/command_line.hpp"

namespace ftfw {

// Prints diagnostics in file order and a summary. Returns the exit code of the program.
int run_check(const Options& options, std::ostream& out);

}  // namespace ftfw
