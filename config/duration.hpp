// Durations as the configuration writes them: a number and a unit in one string, "3s", "100ms", "40.95s",
// "24h". A number alone is never a duration: 3 what?
#pragma once

#include <string>
#include <string_view>

#include "appliance/base/result.hpp"
#include "appliance/base/time.hpp"

namespace ftfw::config {

// Blame::configuration with a text that names the allowed units or the limit.
Result<Duration> parse_duration(std::string_view text);

// In the largest unit that leaves a whole number, seconds with a fraction otherwise: "100ms", "3s", "1min",
// "24h".
std::string format_duration(Duration duration);

}  // namespace ftfw::config
