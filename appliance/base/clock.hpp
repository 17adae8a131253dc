// The only place that reads a clock. For the edge: threads and kernel adapters.
#pragma once

#include "appliance/base/time.hpp"

namespace ftfw {

// CLOCK_MONOTONIC: does not advance while the machine is suspended.
Instant monotonic_now();

}  // namespace ftfw
