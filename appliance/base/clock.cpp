#include "appliance/base/clock.hpp"

#include <ctime>

namespace ftfw {

Instant monotonic_now() {
  timespec value{};
  ::clock_gettime(CLOCK_MONOTONIC, &value);
  return Instant(std::chrono::seconds(value.tv_sec) + std::chrono::nanoseconds(value.tv_nsec));
}

}  // namespace ftfw
