// Reads the multicast events of one netlink socket, a bounded number in one call, and knows from when on
// something is missing. Owned and used by one thread. Source: NETLINK_S_CONGESTED in
// net/netlink/af_netlink.c.
#pragma once

#include <functional>
#include <utility>

#include "appliance/base/netlink_socket.hpp"
#include "appliance/base/result.hpp"

namespace ftfw {

class NetlinkEvents {
 public:
  // most_datagrams: in one call, so that a storm of events cannot keep the thread here.
  NetlinkEvents(NetlinkSocket socket, int most_datagrams)
      : socket_(std::move(socket)), most_datagrams_(most_datagrams) {}

  int fd() const { return socket_.fd(); }

  // Hands on the waiting messages. True: events were lost before these, and none waits any more, so a look at
  // the tables counts from now on.
  Result<bool> read(const std::function<void(const nlmsghdr&)>& take);

 private:
  NetlinkSocket socket_;
  int most_datagrams_;
  bool losing_ = false;
};

}  // namespace ftfw
