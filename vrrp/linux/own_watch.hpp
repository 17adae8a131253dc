// Tells that somebody removed an address or a route that carries our protocol number, so that its owner can
// put it back at once. By whom is not known: what this program removes is told too, and so is a lease that
// ended. Owned and used by one thread; the descriptor never blocks. A route that somebody replaced by his own
// is not told: it would not be put back. Sources: rtnetlink(7), net/ipv4/fib_frontend.c.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/netlink_events.hpp"
#include "appliance/base/result.hpp"

namespace ftfw::vrrp {

struct RemovedAddress {
  std::string interface;  // empty: it is gone as well
  IpPrefix address;
};

struct RemovedRoute {
  IpPrefix to;
  std::uint32_t table = 0;
  std::uint32_t metric = 0;  // as the kernel has it: 0, IPv6 1024, where none was asked for
};

struct OwnRemovals {
  std::vector<RemovedAddress> addresses;
  std::vector<RemovedRoute> routes;
  // More may be missing than is told: events were lost, or an interface went down, came up or was deleted,
  // with which the kernel drops IPv4 routes without a word.
  bool look_yourself = false;

  bool empty() const { return addresses.empty() && routes.empty() && !look_yourself; }
};

class OwnWatch {
 public:
  // with_routes: without, the kernel does not wake this thread for every route of a routing daemon.
  static Result<OwnWatch> open(bool with_routes);

  int fd() const { return events_.fd(); }

  // Takes in the waiting events, a bounded number in one call.
  Result<OwnRemovals> read();

 private:
  explicit OwnWatch(NetlinkEvents events) : events_(std::move(events)) {}

  NetlinkEvents events_;
};

}  // namespace ftfw::vrrp
