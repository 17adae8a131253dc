#include "vrrp/tracking.hpp"

#include <algorithm>

#include "vrrp/advertisement.hpp"

namespace ftfw::vrrp {

std::uint8_t effective_priority(std::uint8_t configured, std::int64_t added, bool at_floor) {
  if (configured == kPriorityOwner) return kPriorityOwner;
  if (at_floor) return kFloorPriority;
  return static_cast<std::uint8_t>(
      std::clamp<std::int64_t>(configured + added, kFloorPriority, kHighestBackupPriority));
}

Tracking::Tracking(std::span<const TrackedInterface> interfaces) {
  for (const TrackedInterface& one : interfaces)
    interfaces_.push_back({SteadyLink(one.up_delay), one.weight});
}

void Tracking::settle_at_once() {
  for (Interface& one : interfaces_) one.link.settle_at_once();
}

std::optional<std::size_t> Tracking::first_lost() const {
  const auto lost = std::ranges::find_if(
      interfaces_, [](const Interface& one) { return !one.weight && !one.link.usable(); });
  if (lost == interfaces_.end()) return std::nullopt;
  return static_cast<std::size_t>(lost - interfaces_.begin());
}

std::int64_t Tracking::weight() const {
  std::int64_t sum = 0;
  for (const Interface& one : interfaces_) {
    if (!one.link.usable()) sum += one.weight.value_or(0);
  }
  return sum;
}

std::optional<Instant> Tracking::next_deadline() const {
  std::optional<Instant> next;
  for (const Interface& one : interfaces_) next = earlier(next, one.link.usable_from());
  return next;
}

}  // namespace ftfw::vrrp
