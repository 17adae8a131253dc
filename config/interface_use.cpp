#include "config/interface_use.hpp"

#include <algorithm>

namespace ftfw::config {

std::vector<InterfaceUse> interfaces_used(const Config& config) {
  std::vector<InterfaceUse> uses;
  for (const VirtualRouter& router : config.group.routers) {
    uses.push_back({router.interface, "virtual router " + router.name, router.interface_where});
  }
  for (const TrackedInterface& tracked : config.group.tracked_interfaces)
    uses.push_back({tracked.interface, "tracking", tracked.where, false});
  for (const VirtualRoute& route : config.group.routes) {
    // An error of its own.
    const bool made_by_us =
        std::ranges::find(config.group.routers, route.interface, &VirtualRouter::virtual_mac_interface) !=
        config.group.routers.end();
    if (!route.interface.empty() && !made_by_us)
      uses.push_back({route.interface, "the route to " + route.to.to_string(), route.interface_where, false});
  }
  uses.push_back({config.replication.interface, "replication", config.replication.interface_where});
  for (const ReplicationLink& link : config.replication.further_links)
    uses.push_back({link.interface, "replication", link.interface_where});
  const Firewall& firewall = config.firewall;
  uses.push_back({firewall.inside, "the inside", firewall.inside_where});
  uses.push_back({firewall.outside, "the outside", firewall.outside_where});
  for (const Flowtable& flowtable : firewall.flowtables) {
    for (std::size_t i = 0; i < flowtable.devices.size(); ++i) {
      uses.push_back({flowtable.devices[i], "flowtable " + flowtable.name, flowtable.devices_where[i]});
    }
  }
  for (const Allow& allow : firewall.allows) {
    if (allow.from_where.line != 0) uses.push_back({allow.from, "an allow", allow.from_where});
  }
  for (const SourceNat& snat : firewall.snats) uses.push_back({snat.out, "a source NAT", snat.out_where});
  std::ranges::sort(uses, {}, &InterfaceUse::where);
  return uses;
}

}  // namespace ftfw::config
