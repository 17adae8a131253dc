// Routes that follow the primary. Owned and used by one thread. Invariants: every route carries the protocol
// number kRouteProtocol (RTPROT); a route without it is neither replaced nor removed. The kernel drops routes
// by itself when their interface goes down or their source address is removed. Sources: rtnetlink(7),
// net/ipv4/fib_trie.c, net/ipv6/route.c, libnl-route 3.7.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "appliance/base/result.hpp"
#include "config/model.hpp"
#include "vrrp/linux/address_protocol.hpp"
#include "vrrp/linux/route_socket.hpp"

namespace ftfw::vrrp {

// The same number, in another space: free in rtnetlink's route protocols and in iproute2's rt_protos.
inline constexpr std::uint8_t kRouteProtocol = kAddressProtocol;

// "default via 192.168.0.254 on eth0"
std::string to_string(const config::VirtualRoute& route);
// What no two routes share: prefix, table and metric.
bool is_same_route(const config::VirtualRoute& left, const config::VirtualRoute& right);

class VirtualRoutes {
 public:
  static Result<VirtualRoutes> open();

  // One of ours that stands as wanted stays; with another way to the same prefix, table and metric it is made
  // anew. All are tried, the first refusal is returned: Blame::configuration and EEXIST where somebody else's
  // route has that prefix, table and metric. A source address must stand already.
  Status add(std::span<const config::VirtualRoute> routes);

  // Those of ours that stand with that prefix, table and metric; what is gone already is no error.
  Status remove(std::span<const config::VirtualRoute> routes);

  // Whatever carries our protocol number, whoever put it there (a former run of this program).
  Result<std::vector<config::VirtualRoute>> list_own();

 private:
  explicit VirtualRoutes(RouteSocket socket) : socket_(std::move(socket)) {}

  RouteSocket socket_;
};

}  // namespace ftfw::vrrp
