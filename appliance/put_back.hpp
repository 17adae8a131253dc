// Puts back what somebody took from the primary: macvlans, virtual addresses, routes; says what to count, to
// tell and to announce. Owned and used by the failover thread; takes the LeaseBook's lock. Invariants:
// nothing is put back that is not held by the lease, nor on an interface that is down (that is a fault); an
// address or route that somebody set himself in place of ours is left alone. What could not be put back is
// tried again with the next call.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "appliance/holdings.hpp"
#include "appliance/lease_thread.hpp"
#include "vrrp/linux/own_watch.hpp"

namespace ftfw {

// Two programs that fight for one address must fill neither the log nor the network.
inline constexpr Duration kTellAgainAfter = 60s;
inline constexpr Duration kAnnounceAgainAfter = 1s;

class PutBack {
 public:
  struct Outcome {
    std::size_t count = 0;
    std::vector<std::string> alarms;
    bool announce = false;
    std::optional<LeaseReport> lease;
  };

  PutBack(Holdings& holdings, LeaseBook& lease) : holdings_(holdings), lease_(lease) {}

  // Takes note of what was removed. Cheap; also while a plan is under way.
  void note(vrrp::OwnRemovals removals);
  // Outside of plans, also when nothing was noted. primary: what was noted counts only then.
  Outcome run(bool primary, Instant now);

 private:
  void run_addresses(Lease& lease, Outcome& outcome, Instant now);
  void run_routes(Outcome& outcome, Instant now);
  std::vector<vrrp::VirtualAddress> wanted_addresses(const Lease& lease, Outcome& outcome, Instant now);
  std::vector<config::VirtualRoute> wanted_routes(Outcome& outcome, Instant now);
  void tell(Outcome& outcome, const std::string& what, const std::string& text, Instant now);

  Holdings& holdings_;
  LeaseBook& lease_;
  vrrp::OwnRemovals noted_;
  bool look_again_ = false;
  std::uint64_t changes_ = 0;            // of the holdings, when they were last looked at
  std::map<std::string, Instant> told_;  // by address or route of the configuration: as many as there are
  bool announcement_due_ = false;
  std::optional<Instant> announced_;
};

}  // namespace ftfw
