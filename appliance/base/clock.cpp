#include "appliance/base/clock.hpp"

#include <ctime>

namespace ftfw {
namespace {

Duration read_clock(clockid_t clock) {
  timespec value{};
  ::clock_gettime(clock, &value);
  return std::chrono::seconds(value.tv_sec) + std::chrono::nanoseconds(value.tv_nsec);
}

}  // namespace

Instant monotonic_now() {
  return Instant(read_clock(CLOCK_MONOTONIC));
}

Duration boottime_since_boot() {
  return read_clock(CLOCK_BOOTTIME);
}

}  // namespace ftfw
