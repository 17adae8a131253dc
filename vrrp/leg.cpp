#include "vrrp/leg.hpp"

#include <algorithm>

#include "vrrp/intervals.hpp"
#include "vrrp/tracking.hpp"

namespace ftfw::vrrp {

Leg::Leg(const Settings& settings, const RouterSettings& router)
    : version(version_of(settings, router)),
      missed(settings.missed_advertisements),
      own_interval(settings.advertisement_interval),
      link(router.up_delay),
      active_interval(own_interval) {}

Duration Leg::skew(std::uint8_t priority) const {
  return skew_time(version, priority, active_interval);
}

Duration Leg::down_interval(std::uint8_t priority) const {
  return active_down_interval(version, priority, active_interval, missed);
}

Duration Leg::patience_of_others() const {
  return active_down_interval(version, kHighestBackupPriority, own_interval, missed);
}

void Leg::arm(Instant from, DownWait wait, std::uint8_t priority) {
  counts_from_ = from;
  wait_ = wait;
  deadline = from + length(wait, priority);
}

void Leg::shorten_to_skew(Instant now, std::uint8_t priority) {
  if (now + skew(priority) < deadline) arm(now, DownWait::skew, priority);
}

void Leg::use_priority(Instant now, std::uint8_t before, std::uint8_t priority) {
  const Instant old = deadline;
  deadline = counts_from_ + length(wait_, priority);
  if (priority > before) deadline = std::max(deadline, std::min(old, now + skew(priority)));
}

Duration Leg::length(DownWait wait, std::uint8_t priority) const {
  switch (wait) {
    case DownWait::down_interval:
      return down_interval(priority);
    case DownWait::skew:
      return skew(priority);
    case DownWait::interval_and_skew:
      return active_interval + skew(priority);
  }
  return down_interval(priority);
}

}  // namespace ftfw::vrrp
