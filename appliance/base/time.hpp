// Time as a value. Everything that decides takes an Instant from its caller and never asks a clock; only
// appliance/base/clock.hpp can read one, and only the edge (threads, adapters) includes that.
//
// Unit: nanoseconds. Origin: CLOCK_MONOTONIC of the machine, or whatever a simulation chooses.
#pragma once

#include <chrono>

namespace ftfw {

using Duration = std::chrono::nanoseconds;

// A clock type without now(): it names the time line and nothing more.
struct MonotonicTimeline {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<MonotonicTimeline, Duration>;
  static constexpr bool is_steady = true;
};

using Instant = MonotonicTimeline::time_point;

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""us;
using std::chrono_literals::operator""ns;

// For texts and figures only: milliseconds as a fraction.
constexpr double in_milliseconds(Duration d) {
  return static_cast<double>(d.count()) / 1e6;
}

}  // namespace ftfw
