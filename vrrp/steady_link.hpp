// A link with an up-delay, as the election sees it: one that comes up while the engine runs is usable only
// after it has stayed up for that long (a bond, a bridge or a switch port passes nothing in its first
// seconds). Pure: time comes in. One thread.
#pragma once

#include <optional>

#include "appliance/base/time.hpp"

namespace ftfw::vrrp {

class SteadyLink {
 public:
  explicit SteadyLink(Duration up_delay) : up_delay_(up_delay) {}

  void report(Instant now, bool up);
  bool usable() const { return up_ && !usable_from_; }

  // When it will be usable, if it stays up; nothing while there is nothing to wait for.
  std::optional<Instant> usable_from() const { return usable_from_; }
  // True if the delay has passed by now: it became usable.
  bool settle(Instant now);
  // What is up before the engine starts has been up for long enough.
  void settle_at_once() { usable_from_.reset(); }

 private:
  Duration up_delay_;
  bool up_ = false;
  std::optional<Instant> usable_from_;
};

// The first of two deadlines that need not exist.
std::optional<Instant> earlier(std::optional<Instant> a, std::optional<Instant> b);

}  // namespace ftfw::vrrp
