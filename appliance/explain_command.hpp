// --explain: what the policy of a file does with a packet, on any machine: nothing but the file is read.
#pragma once

#include <ostream>

#include "appliance/command_line.hpp"

namespace ftfw {

int run_explain(const Options& options, std::ostream& out, std::ostream& err);

}  // namespace ftfw
