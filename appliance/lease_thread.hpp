// Renews the lifetimes of the virtual addresses and does nothing else, because everything else can wait: an
// nftables transaction behind a foreign one was measured at 13 s. Renewing an address re-creates it, so
// renewing and removing exclude each other: both happen under the LeaseBook's lock, and nothing is renewed
// that the book does not hold.
#pragma once

#include <optional>
#include <stop_token>
#include <vector>

#include "appliance/base/lock_guarded.hpp"
#include "appliance/failover/translation.hpp"
#include "appliance/liveness.hpp"
#include "appliance/messages.hpp"
#include "vrrp/linux/virtual_addresses.hpp"

namespace ftfw {

inline constexpr Duration kRenewEvery = 1s;

struct Lease {
  bool held = false;
  std::chrono::seconds lifetime = failover::kLeaseAlone;
  Instant renewed{};                   // last time the kernel took a lifetime
  std::chrono::seconds renewed_for{};  // which one
  // Somebody else's address stands in their place: a renewal would make it ours.
  std::vector<vrrp::VirtualAddress> withheld = {};
  std::vector<vrrp::VirtualAddress> refused = {};  // by the last renewal, which has been told
};

using LeaseBook = LockGuarded<Lease>;

// Gives up a lease that is late: what has outlived its lifetime may be somebody else's by now. Call it, and
// the next, under the book's lock.
std::optional<LeaseReport> lapse_if_late(Lease& lease, Instant now);

// Gives the addresses a new lifetime, if they are held and not late. One that cannot be renewed (its
// interface is gone) does not let the lease of the others lapse: that takes all. A refusal is reported once,
// until the address was renewed again. Nothing: done, or nothing to tell.
std::optional<LeaseReport> renew_lease(Lease& lease, vrrp::VirtualAddresses& kernel,
                                       const std::vector<vrrp::VirtualAddress>& addresses, Instant now);

class LeaseThread {
 public:
  // kernel: an object of its own for this thread.
  LeaseThread(LeaseBook& book, vrrp::VirtualAddresses kernel, std::vector<vrrp::VirtualAddress> addresses,
              LeaseReports& reports, Liveness& liveness);

  void run(const std::stop_token& stop);

 private:
  LeaseBook& book_;
  vrrp::VirtualAddresses kernel_;
  std::vector<vrrp::VirtualAddress> addresses_;
  LeaseReports& reports_;
  Liveness& liveness_;
};

}  // namespace ftfw
