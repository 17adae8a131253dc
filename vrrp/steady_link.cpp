#include "vrrp/steady_link.hpp"

#include <algorithm>
#include <utility>

namespace ftfw::vrrp {

void SteadyLink::report(Instant now, bool up) {
  if (up == std::exchange(up_, up)) return;
  usable_from_.reset();
  if (up && up_delay_ > Duration::zero()) usable_from_ = now + up_delay_;
}

bool SteadyLink::settle(Instant now) {
  if (!usable_from_ || *usable_from_ > now) return false;
  usable_from_.reset();
  return true;
}

std::optional<Instant> earlier(std::optional<Instant> a, std::optional<Instant> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace ftfw::vrrp
