// The only place that reads a clock. For the edge: threads and kernel adapters.
#pragma once

#include "appliance/base/time.hpp"

namespace ftfw {

// CLOCK_MONOTONIC: does not advance while the machine is suspended.
Instant monotonic_now();

// CLOCK_BOOTTIME: advances during suspend. boottime minus monotonic tells a resumed machine how long it
// slept.
Duration boottime_since_boot();

}  // namespace ftfw
