// Requests over a RouteSocket: tables read whole, changes sent as one batch with an answer for each. For the
// adapters of addresses, routes and macvlans only. Waits for the kernel, which may wait for its own lock
// (rtnl). Source: rtnetlink(7), libnl-route 3.7.
#pragma once

#include <netlink/addr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/result.hpp"

namespace ftfw::vrrp {

// A deleter for what libnl gives away.
template <auto Free>
struct Freeing {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Message = std::unique_ptr<nl_msg, Freeing<nlmsg_free>>;
using NetlinkAddress = std::unique_ptr<nl_addr, Freeing<nl_addr_put>>;

// An error of libnl's own numbering.
std::unexpected<Error> fail_netlink(const std::string& what, int nl_error);

// Null when there is no memory.
NetlinkAddress netlink_address(const IpPrefix& prefix);

// 4 or 16 bytes; nothing for any other attribute, or none.
std::optional<IpAddress> address_in(const nlattr* attribute);

// Hands every message of the table to take. A table that somebody else changes meanwhile is read again:
// restart is called before each attempt.
Status dump(nl_sock* socket, int request, std::span<const std::uint8_t> header,
            const std::function<void()>& restart, const std::function<void(nlmsghdr&)>& take);

// All messages at once. One errno (or 0) for each; all answers are read even after a refusal, so that the
// next batch starts clean. At most kMaxBatch messages: their answers, about a kilobyte each, must fit into
// the socket's receive buffer (64 KiB by libnl's default).
inline constexpr std::size_t kMaxBatch = 32;
Result<std::vector<int>> send_batch(nl_sock* socket, std::span<const Message> messages);

}  // namespace ftfw::vrrp
