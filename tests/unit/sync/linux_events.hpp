// A capture on the real kernel and what it saw, for the tests of sync/linux.
#pragma once

#include <doctest/doctest.h>

#include <vector>

#include "sync/linux/capture.hpp"

namespace ftfw::sync::testing {

inline Capture open_capture(CaptureSettings settings) {
  auto capture = Capture::open(settings);
  REQUIRE_MESSAGE(capture.has_value(), capture.error().text);
  return std::move(*capture);
}

// Events are delivered inside the system call that causes them, so what is there now is all there is.
inline std::vector<Event> all_events(Capture& capture) {
  std::vector<Event> events;
  for (;;) {
    const auto captured = capture.read();
    REQUIRE(captured.has_value());
    CHECK_FALSE(captured->overrun);
    if (captured->events.empty()) return events;
    events.insert(events.end(), captured->events.begin(), captured->events.end());
  }
}

inline const ConntrackEvent& conntrack(const Event& event) {
  return std::get<ConntrackEvent>(event);
}

}  // namespace ftfw::sync::testing
