// --generate-key FILE: a new replication key for both firewalls. It never overwrites a file.
#pragma once

#include <ostream>

#include "appliance/command_line.hpp"

namespace ftfw {

// What to do with the key goes to `out`, a refusal to `error`. Returns the exit code of the program.
int run_generate_key(const Options& options, std::ostream& out, std::ostream& error);

}  // namespace ftfw
