// What a change of role took, step by step: for the journal, status and tests. Pure values, any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "appliance/failover/plan.hpp"

namespace ftfw::failover {

struct TimedStep {
  Step step;
  Duration took{};
  bool ok = true;
};

struct Timeline {
  Transition transition = Transition::take_over;
  Role role = Role::starting;  // the role that was reached
  std::string cause;
  Instant decided{};                // by the election, on the vrrp thread
  std::optional<Duration> silence;  // take_over: from the last advertisement heard until decided
  std::vector<TimedStep> steps;
  Duration total{};  // from decided to the end of the last step that traffic waits for

  // "took over in 1.93 ms: detected 331.20 ms after the last advertisement, rules 0.31, commit 0.02, ..."
  std::string to_string() const;
};

}  // namespace ftfw::failover
