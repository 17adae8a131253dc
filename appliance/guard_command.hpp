// --load-guard: puts up the standby's guard alone and ends, before there is a network or a daemon. Nothing is
// forwarded from then on; the daemon that starts later takes the guard over without a gap. A configuration
// that is in error closes the machine all the same. Where a daemon runs it does nothing: the guard is that
// one's.
#pragma once

#include <ostream>

#include "appliance/command_line.hpp"

namespace ftfw {

int run_load_guard(const Options& options, std::ostream& out, std::ostream& err);

}  // namespace ftfw
