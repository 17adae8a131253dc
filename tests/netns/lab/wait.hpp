// Waiting for a condition with a deadline: what stands in these tests where a sleep would be a guess.
#pragma once

#include <chrono>
#include <thread>

#include "appliance/base/clock.hpp"

namespace ftfw::lab {

// Asks every `pause` until the condition holds (true) or the time is over (false).
template <typename Condition>
bool wait_until(Duration at_most, Condition condition, Duration pause = 2ms) {
  const Instant deadline = monotonic_now() + at_most;
  while (!condition()) {
    if (monotonic_now() >= deadline) return false;
    std::this_thread::sleep_for(pause);
  }
  return true;
}

}  // namespace ftfw::lab
