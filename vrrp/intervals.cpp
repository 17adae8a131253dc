#include "vrrp/intervals.hpp"

namespace ftfw::vrrp {

Duration skew_time(std::uint8_t version, std::uint8_t priority, Duration active_interval) {
  // Version 2 was made for intervals of whole seconds: its skew is a part of one second, whatever the
  // interval.
  const Duration base = version == 2 ? Duration(1s) : active_interval;
  return base * (256 - priority) / 256;
}

Duration active_down_interval(std::uint8_t version, std::uint8_t priority, Duration active_interval,
                              int missed) {
  return missed * active_interval + skew_time(version, priority, active_interval);
}

}  // namespace ftfw::vrrp
