#include "firewall/repair_pace.hpp"

#include <algorithm>

namespace ftfw::firewall {

Instant RepairPace::next(Instant now) const {
  return is_fought(now) ? done_.back() + kSpacing : now;
}

void RepairPace::note(Instant now) {
  done_.push_back(now);
  // Those before say nothing more than these do.
  if (done_.size() > kAtOnce) done_.pop_front();
}

bool RepairPace::is_fought(Instant now) const {
  return done_.size() == kAtOnce && now - done_.front() < kWindow;
}

}  // namespace ftfw::firewall
