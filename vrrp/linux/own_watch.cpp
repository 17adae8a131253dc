#include "vrrp/linux/own_watch.hpp"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>

#include "vrrp/linux/rtnetlink_message.hpp"
#include "vrrp/linux/virtual_routes.hpp"

namespace ftfw::vrrp {
namespace {

constexpr int kSocketBufferBytes = 1024 * 1024;
constexpr int kMaxDatagramsPerRead = 256;

std::uint32_t number_or(const nlattr* attribute, std::uint32_t otherwise) {
  const bool fits = attribute != nullptr && mnl_attr_get_payload_len(attribute) >= sizeof(std::uint32_t);
  return fits ? mnl_attr_get_u32(attribute) : otherwise;
}

std::string name_of(std::uint32_t index) {
  std::array<char, IF_NAMESIZE> name{};
  return ::if_indextoname(index, name.data()) == nullptr ? "" : name.data();
}

void take_address(const nlmsghdr& message, OwnRemovals& removals) {
  const auto* fixed = header_of<ifaddrmsg>(message);
  if (fixed == nullptr) return;
  const auto attributes = attributes_of<IFA_PROTO + 1>(message, sizeof(ifaddrmsg));
  const nlattr* local = attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  if (local == nullptr || !is_own_address(attributes[IFA_PROTO])) return;
  if (const auto address = IpAddress::from_bytes(payload_of(local)))
    removals.addresses.push_back({name_of(fixed->ifa_index), {*address, fixed->ifa_prefixlen}});
}

void take_route(const nlmsghdr& message, OwnRemovals& removals) {
  const auto* fixed = header_of<rtmsg>(message);
  if (fixed == nullptr || fixed->rtm_protocol != kRouteProtocol) return;
  const auto attributes = attributes_of<RTA_TABLE + 1>(message, sizeof(rtmsg));
  IpAddress to = fixed->rtm_family == AF_INET ? IpAddress() : IpAddress::ipv6({});
  if (const nlattr* network = attributes[RTA_DST]; network != nullptr)
    to = IpAddress::from_bytes(payload_of(network)).value_or(to);
  removals.routes.push_back({{to, fixed->rtm_dst_len},
                             number_or(attributes[RTA_TABLE], fixed->rtm_table),
                             number_or(attributes[RTA_PRIORITY], 0)});
}

bool went_up_or_down(const nlmsghdr& message) {
  const auto* link = header_of<ifinfomsg>(message);
  return link != nullptr && (link->ifi_change & IFF_UP) != 0;
}

void take(const nlmsghdr& message, OwnRemovals& removals) {
  switch (message.nlmsg_type) {
    case RTM_DELADDR:
      return take_address(message, removals);
    case RTM_DELROUTE:
      return take_route(message, removals);
    case RTM_NEWLINK:
      removals.look_yourself = removals.look_yourself || went_up_or_down(message);
      return;
    case RTM_DELLINK:
      removals.look_yourself = true;
      return;
    default:
      return;  // a netlink message type is a number and no enum: others do not concern us
  }
}

}  // namespace

Result<OwnWatch> OwnWatch::open(bool with_routes) {
  const std::uint32_t routes = with_routes ? RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE : 0;
  auto events = NetlinkSocket::open({.bus = NETLINK_ROUTE,
                                     .groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | routes,
                                     .receive_buffer_bytes = kSocketBufferBytes,
                                     .blocking = false});
  if (!events) return std::unexpected(events.error());
  return OwnWatch(NetlinkEvents(std::move(*events), kMaxDatagramsPerRead));
}

Result<OwnRemovals> OwnWatch::read() {
  OwnRemovals removals;
  const auto lost = events_.read([&removals](const nlmsghdr& message) { take(message, removals); });
  if (!lost) return std::unexpected(lost.error());
  removals.look_yourself = removals.look_yourself || *lost;
  return removals;
}

}  // namespace ftfw::vrrp
