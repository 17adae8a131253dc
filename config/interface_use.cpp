#include "config/interface_use.hpp"

#include <algorithm>
#include <string_view>

namespace ftfw::config {
namespace {

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::allow:
      return "an allow";
    case Verdict::deny:
      return "a deny";
    case Verdict::reject:
      return "a reject";
  }
  return "a rule";
}

// Those that the file names, not defaults.
void add_match(std::vector<InterfaceUse>& uses, const Match& match, std::string_view used_for) {
  for (const auto* interfaces : {&match.from, &match.to}) {
    for (const NamedInterface& one : *interfaces) {
      if (one.where.line != 0) uses.push_back({one.name, std::string(used_for), one.where});
    }
  }
}

}  // namespace

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
  for (const PolicyRule& rule : firewall.rules) add_match(uses, rule.match, name_of(rule.verdict));
  for (const SourceNat& nat : firewall.snats)
    add_match(uses, nat.match, nat.masquerade ? "a masquerade" : "a source NAT");
  for (const DestinationNat& nat : firewall.dnats)
    add_match(uses, nat.match, nat.to ? "a destination NAT" : "a redirect");
  for (const PolicyRule& service : firewall.services) add_match(uses, service.match, "a service");
  std::ranges::sort(uses, {}, &InterfaceUse::where);
  return uses;
}

}  // namespace ftfw::config
