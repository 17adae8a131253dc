// A rtnetlink socket of libnl for requests, as a value. Owned and used by one thread.
#pragma once

#include <memory>

#include "appliance/base/result.hpp"

struct nl_sock;

namespace ftfw::vrrp {

struct CloseRouteSocket {
  void operator()(nl_sock* socket) const;
};
using RouteSocket = std::unique_ptr<nl_sock, CloseRouteSocket>;

Result<RouteSocket> open_route_socket();

}  // namespace ftfw::vrrp
