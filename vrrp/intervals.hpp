// The timer formulas of the protocol. Pure, any thread. Sources: RFC 3768 6.1 (version 2), RFC 9568 6.1
// (version 3). `active_interval` is the interval of the router that is Active: in version 3 the one it
// advertises (Active_Adver_Interval), in version 2 the configured one, which must be the same everywhere.
#pragma once

#include <cstdint>

#include "appliance/base/time.hpp"

namespace ftfw::vrrp {

// Skew_Time: the higher the priority, the shorter, so that the best Backup comes first.
Duration skew_time(std::uint8_t version, std::uint8_t priority, Duration active_interval);

// Active_Down_Interval (version 2: Master_Down_Interval). `missed`: the advertisements that may be missed
// before the Active router counts as gone; the RFCs say 3.
Duration active_down_interval(std::uint8_t version, std::uint8_t priority, Duration active_interval,
                              int missed);

}  // namespace ftfw::vrrp
