// What besides the legs decides whether and how much the group wants to be Active: tracked interfaces and the
// effective priority. An interface without weight is like a leg: its loss is a fault. One with a weight adds
// it while it is down (keepalived adds a positive weight while it is up, a negative one while it is down; one
// rule is easier to read: down changes the priority by `weight`). Pure; owned by the engine.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "vrrp/settings.hpp"
#include "vrrp/steady_link.hpp"

namespace ftfw::vrrp {

// The least that still wants to be Active: it gives way to everybody, but is better than nobody.
inline constexpr std::uint8_t kFloorPriority = 1;
inline constexpr std::uint8_t kHighestBackupPriority = 254;

// The configured priority with all that was added, within 1..254; the owner's 255 is not changed by anything.
std::uint8_t effective_priority(std::uint8_t configured, std::int64_t added, bool at_floor);

class Tracking {
 public:
  // An interface that is not reported is down.
  explicit Tracking(std::span<const TrackedInterface> interfaces);

  void report(Instant now, std::size_t index, bool up) { interfaces_.at(index).link.report(now, up); }
  bool has_weight(std::size_t index) const { return interfaces_.at(index).weight.has_value(); }
  // True if its up-delay has passed by now.
  bool settle(Instant now, std::size_t index) { return interfaces_.at(index).link.settle(now); }
  void settle_at_once();
  std::size_t size() const { return interfaces_.size(); }
  bool usable(std::size_t index) const { return interfaces_.at(index).link.usable(); }

  // The first that is down and has no weight.
  std::optional<std::size_t> first_lost() const;
  // Sum of the weights of those that are down.
  std::int64_t weight() const;
  std::optional<Instant> next_deadline() const;

 private:
  struct Interface {
    SteadyLink link;
    std::optional<int> weight;
  };
  std::vector<Interface> interfaces_;
};

}  // namespace ftfw::vrrp
