#include "vrrp/linux/link_tables.hpp"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>

#include "vrrp/linux/rtnetlink_message.hpp"

namespace ftfw::vrrp {
namespace {

std::optional<LinkTableEvent> link_event(const nlmsghdr& message) {
  const auto* link = header_of<ifinfomsg>(message);
  // A bridge reports its ports in messages of its own family, whose deletion is not the interface's.
  if (link == nullptr || link->ifi_family != AF_UNSPEC) return std::nullopt;
  const auto attributes = attributes_of<IFLA_IFNAME + 1>(message, sizeof(ifinfomsg));
  if (attributes[IFLA_IFNAME] == nullptr) return std::nullopt;
  return LinkEvent{.index = link->ifi_index,
                   .name = std::string(text_of(attributes[IFLA_IFNAME])),
                   .up = (link->ifi_flags & IFF_UP) != 0 && (link->ifi_flags & IFF_RUNNING) != 0,
                   .deleted = message.nlmsg_type == RTM_DELLINK};
}

std::optional<LinkTableEvent> address_event(const nlmsghdr& message) {
  const auto* header = header_of<ifaddrmsg>(message);
  if (header == nullptr) return std::nullopt;
  const auto attributes = attributes_of<IFA_PROTO + 1>(message, sizeof(ifaddrmsg));
  const nlattr* local = attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  if (local == nullptr) return std::nullopt;
  const auto address = IpAddress::from_bytes(payload_of(local));
  if (!address || is_own_address(attributes[IFA_PROTO])) return std::nullopt;
  return AddressEvent{.index = static_cast<int>(header->ifa_index),
                      .address = *address,
                      .prefix_length = header->ifa_prefixlen,
                      .flags = header->ifa_flags,
                      .deleted = message.nlmsg_type == RTM_DELADDR};
}

}  // namespace

std::optional<LinkTableEvent> link_table_event(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return link_event(message);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return address_event(message);
    default:
      return std::nullopt;  // a netlink message type is a number and no enum: others do not concern us
  }
}

LinkTables::LinkTables(std::vector<std::string> interfaces) {
  for (std::string& name : interfaces)
    entries_.push_back({.name = std::move(name), .state = {}, .addresses = {}});
}

bool LinkTables::knows(int index) const {
  return std::ranges::any_of(entries_, [&](const Entry& entry) { return entry.state.index == index; });
}

bool LinkTables::apply(const LinkTableEvent& event) {
  if (const auto* link = std::get_if<LinkEvent>(&event)) return apply_link(*link);
  apply_address(std::get<AddressEvent>(event));
  return false;
}

bool LinkTables::apply_link(const LinkEvent& link) {
  bool appeared = false;
  for (Entry& entry : entries_) {
    const bool was_ours = entry.state.index == link.index;
    const bool is_ours = entry.name == link.name && !link.deleted;
    if (was_ours != is_ours) {  // deleted, renamed, or another one has the name now
      entry.state = {};
      entry.addresses.clear();
    }
    if (!is_ours) continue;
    appeared = appeared || !was_ours;
    entry.state.index = link.index;
    entry.state.up = link.up;
  }
  return appeared;
}

void LinkTables::apply_address(const AddressEvent& address) {
  for (Entry& entry : entries_) {
    if (entry.state.index != address.index) continue;
    const auto known = std::ranges::find_if(entry.addresses, [&](const AddressEvent& each) {
      return each.address == address.address && each.prefix_length == address.prefix_length;
    });
    if (address.deleted) {
      if (known != entry.addresses.end()) entry.addresses.erase(known);
    } else if (known != entry.addresses.end()) {
      *known = address;
    } else {
      entry.addresses.push_back(address);
    }
    entry.choose_addresses();
  }
}

void LinkTables::Entry::choose_addresses() {
  state.ipv4.reset();
  state.link_local.reset();
  for (const AddressEvent& each : addresses) {
    if (each.address.is_ipv4()) {
      // The kernel's own choice: the first that is not secondary.
      const bool primary = (each.flags & IFA_F_SECONDARY) == 0;
      if (primary && !state.ipv4) state.ipv4 = each.address;
      continue;
    }
    const bool usable = (each.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0;
    if (!usable || !each.address.is_link_local()) continue;
    // Of several the lowest: the kernel lists them in another order than that of its events.
    if (!state.link_local || each.address < *state.link_local) state.link_local = each.address;
  }
}

}  // namespace ftfw::vrrp
