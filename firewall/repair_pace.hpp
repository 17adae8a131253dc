// How often changes by others are undone: at once, but a program that keeps fighting must not keep the
// failover thread, nor fill the log. Pure: the caller has the clock.
#pragma once

#include <cstddef>
#include <deque>

#include "appliance/base/time.hpp"

namespace ftfw::firewall {

class RepairPace {
 public:
  static constexpr std::size_t kAtOnce = 20;  // repairs in one window
  static constexpr Duration kWindow = 10s;
  static constexpr Duration kSpacing = 250ms;  // beyond that

  // When the next repair may be; now or earlier: at once.
  Instant next(Instant now) const;
  // One is being done.
  void note(Instant now);
  // So many came that they are spaced.
  bool is_fought(Instant now) const;

 private:
  std::deque<Instant> done_;  // those of the window, oldest first
};

}  // namespace ftfw::firewall
