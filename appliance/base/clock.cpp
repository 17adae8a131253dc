#include "appliance/base/clock.hpp"

#include <ctime>

namespace ftfw {

namespace {

Duration read(clockid_t clock) {
  timespec value{};
  ::clock_gettime(clock, &value);
  return std::chrono::seconds(value.tv_sec) + std::chrono::nanoseconds(value.tv_nsec);
}

}  // namespace

Instant monotonic_now() {
  return Instant(read(CLOCK_MONOTONIC));
}

Duration suspended_time() {
  // In this order: what passes between the two reads must not look like sleep.
  const Duration since_boot = read(CLOCK_BOOTTIME);
  return since_boot - read(CLOCK_MONOTONIC);
}

}  // namespace ftfw
