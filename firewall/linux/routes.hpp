// The kernel's routing table as the evaluation asks it: where an address is, which address an interface has,
// whether there is a way back. One netlink socket, held by the result; one thread. Source: fib_frontend.c,
// inet_rtm_getroute.
#pragma once

#include "appliance/base/result.hpp"
#include "firewall/packet.hpp"

namespace ftfw::firewall {

Result<Surroundings> open_routes();

}  // namespace ftfw::firewall
