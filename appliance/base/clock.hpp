// The only place that reads a clock. For the edge: threads and kernel adapters.
#pragma once

#include "appliance/base/time.hpp"

namespace ftfw {

// CLOCK_MONOTONIC: does not advance while the machine is suspended.
Instant monotonic_now();

// How long the machine has been suspended since it was started: what CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC.
Duration suspended_time();

}  // namespace ftfw
