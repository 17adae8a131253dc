// The rules between nodes, virtual routers and the dedicated link.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "config/duration.hpp"
#include "config/interface_use.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

// Each standby is sent everything by itself; more of them than seven are no group any more.
constexpr std::size_t kMaxNodes = 8;
// The MTU of Ethernet, and what an advertisement (RFC 9568 5.2) has before its addresses.
constexpr std::size_t kMtu = 1500;
constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;
constexpr std::size_t kVrrpHeader = 8;

constexpr std::size_t most_addresses_in(std::size_t ip_header, std::size_t address_size) {
  return (kMtu - ip_header - kVrrpHeader) / address_size;
}

// A node against one that stands before it in the file.
void check_two_nodes(const Node& first, const Node& second, DiagnosticList& diagnostics) {
  if (first.replication_address_where.line != 0 && second.replication_address_where.line != 0) {
    if (first.replication_address == second.replication_address) {
      diagnostics.error(second.replication_address_where,
                        fmt::format("{} has the replication address of {} too", second.name, first.name),
                        "each firewall is recognised by its own address on the dedicated link");
    } else if (first.replication_address.family() != second.replication_address.family()) {
      diagnostics.error(second.replication_address_where,
                        fmt::format("{} and {} do not share an address family", first.name, second.name));
    }
  }
  if (first.priority == second.priority) {
    const Location where = second.priority_where.line != 0 ? second.priority_where : second.where;
    diagnostics.warning(
        where, fmt::format("{} and {} have priority {}", first.name, second.name, first.priority),
        "the greater interface address wins then; give the preferred node the greater priority");
  }
}

void check_nodes(const std::vector<Node>& nodes, DiagnosticList& diagnostics) {
  if (nodes.size() == 1) {
    diagnostics.error(nodes[0].where, "one node: there is nobody to take over",
                      "add the other firewall as [node.NAME]");
  }
  if (nodes.size() > kMaxNodes) {
    diagnostics.error(nodes[kMaxNodes].where, fmt::format("{} nodes: a primary has {} standbys at most",
                                                          nodes.size(), kMaxNodes - 1));
    return;
  }
  // Each is told once, beside the first one that it clashes with.
  for (auto second = nodes.begin(); second != nodes.end(); ++second) {
    const auto first = std::find_if(nodes.begin(), second, [&](const Node& node) {
      const bool read =
          node.replication_address_where.line != 0 && second->replication_address_where.line != 0;
      return node.priority == second->priority ||
             (read && (node.replication_address == second->replication_address ||
                       node.replication_address.family() != second->replication_address.family()));
    });
    if (first != second) check_two_nodes(*first, *second, diagnostics);
  }
}

// IPv4 and IPv6 count their ids apart (RFC 9568 5.2.3).
void check_routers(const Config& config, DiagnosticList& diagnostics) {
  const std::vector<VirtualRouter>& routers = config.group.routers;
  for (auto router = routers.begin(); router != routers.end(); ++router) {
    const auto same_name = std::find_if(
        routers.begin(), router, [&](const VirtualRouter& other) { return other.name == router->name; });
    const auto same_id = std::find_if(routers.begin(), router, [&](const VirtualRouter& other) {
      return router->id_where.line != 0 && other.id == router->id && !router->interface.empty() &&
             other.interface == router->interface && other.family() == router->family();
    });
    if (same_id != router) {
      diagnostics.error(
          router->id_where,
          fmt::format("{} uses id {} on {} already", same_id->name, router->id, router->interface),
          "each virtual router of an interface and family has an id of its own, 1 to 255");
    } else if (same_name != router) {
      diagnostics.error(router->where, fmt::format("a second virtual router named {}", quoted(router->name)),
                        fmt::format("the first stands in line {}", same_name->where.line));
    }
  }
}

// The interface is made at the start, so its name must be free.
void check_virtual_mac_names(const Config& config, DiagnosticList& diagnostics) {
  const std::vector<VirtualRouter>& routers = config.group.routers;
  const std::vector<InterfaceUse> uses = interfaces_used(config);
  for (auto router = routers.begin(); router != routers.end(); ++router) {
    const std::string& name = router->virtual_mac_interface;
    if (name.empty()) continue;
    const std::string hint = "choose another name with 'virtual_mac_interface'";
    const auto other = std::find_if(
        routers.begin(), router, [&](const VirtualRouter& one) { return one.virtual_mac_interface == name; });
    const auto use = std::ranges::find(uses, name, &InterfaceUse::name);
    if (other != router) {
      diagnostics.error(
          router->virtual_mac_where,
          fmt::format("{} is the interface of the virtual MAC of {} already", name, other->name), hint);
    } else if (use != uses.end()) {
      diagnostics.error(router->virtual_mac_where,
                        fmt::format("{} is to be made for the virtual MAC of {}, and line {} uses it for {}",
                                    name, router->name, use->where.line, use->used_for),
                        hint);
    }
  }
}

// With a MAC of its own a router sends whole frames, which nobody cuts into fragments and which have no next
// hop to look up.
void check_virtual_mac_packets(const VirtualRouter& router, DiagnosticList& diagnostics) {
  if (router.virtual_mac_interface.empty()) return;
  if (!router.unicast.empty()) {
    diagnostics.error(
        router.virtual_mac_where,
        fmt::format("{} has a virtual MAC and 'unicast', which exclude each other", router.name),
        "leave one of them out");
  }
  const bool ipv4 = router.family() == Family::ipv4;
  const std::size_t most = ipv4 ? most_addresses_in(kIpv4Header, 4) : most_addresses_in(kIpv6Header, 16);
  if (router.addresses.size() <= most) return;
  diagnostics.error(router.addresses[most].where,
                    fmt::format("{} has {} addresses and a virtual MAC, whose advertisements hold {} at most",
                                router.name, router.addresses.size(), most),
                    "put the others into 'excluded_addresses', or leave 'virtual_mac' out");
}

// What version 2 and IPv6 do to keys of [vrrp] that are about the other one.
void check_versions(const Config& config, DiagnosticList& diagnostics) {
  const Vrrp& vrrp = config.vrrp;
  const auto speaks = [&](Family family) {
    return std::ranges::any_of(config.group.routers,
                               [=](const VirtualRouter& one) { return one.family() == family; });
  };
  if (vrrp.version == 2 && vrrp.advertisement_interval > kMaxIntervalV3 && speaks(Family::ipv6)) {
    diagnostics.error(
        vrrp.interval_where,
        fmt::format("IPv6 virtual routers speak version 3, which carries 40.95s at most, not {}",
                    format_duration(vrrp.advertisement_interval)),
        "for example: advertisement_interval = \"1s\"");
  }
  if (vrrp.checksum_where.line != 0 && (vrrp.version == 2 || !speaks(Family::ipv4))) {
    diagnostics.warning(vrrp.checksum_where,
                        "'checksum' does nothing here: only version 3 over IPv4 has two forms",
                        "leave it out; where it counts, keepalived and FRR refuse \"rfc9568\"");
  }
}

// Every address of the dedicated links with what a message about it needs.
struct LinkAddress {
  IpAddress address;
  std::string node;
  Location where;
};

void check_further_links(const Config& config, DiagnosticList& diagnostics) {
  std::vector<LinkAddress> taken;
  std::vector<std::string> interfaces{config.replication.interface};
  for (const Node& node : config.nodes) {
    if (node.replication_address_where.line != 0)
      taken.push_back({node.replication_address, node.name, node.replication_address_where});
  }
  for (const VirtualRouter& router : config.group.routers) {
    for (const auto* addresses : {&router.addresses, &router.excluded_addresses}) {
      for (const VirtualAddress& address : *addresses)
        taken.push_back({address.address.address, "virtual router " + router.name, address.where});
    }
  }
  for (const ReplicationLink& link : config.replication.further_links) {
    if (!link.interface.empty() && std::ranges::find(interfaces, link.interface) != interfaces.end()) {
      diagnostics.error(link.interface_where, fmt::format("a second dedicated link on {}", link.interface),
                        "a link that shall survive another has an interface of its own");
    }
    interfaces.push_back(link.interface);
    for (std::size_t i = 0; i < link.addresses.size(); ++i) {
      if (link.addresses_where[i].line == 0) continue;
      const LinkAddress one{link.addresses[i], config.nodes[i].name, link.addresses_where[i]};
      const auto other = std::ranges::find(taken, one.address, &LinkAddress::address);
      if (other != taken.end()) {
        diagnostics.error(
            one.where, fmt::format("{} is an address of {} already", one.address.to_string(), other->node));
      } else if (i > 0 && link.addresses_where[0].line != 0 &&
                 link.addresses[0].family() != one.address.family()) {
        diagnostics.error(one.where, fmt::format("{} and {} do not share an address family on this link",
                                                 config.nodes[0].name, one.node));
      }
      taken.push_back(one);
    }
  }
}

void check_dedicated_links(const Config& config, DiagnosticList& diagnostics) {
  check_further_links(config, diagnostics);
  const auto check_shared = [&](const std::string& interface, const Location& where) {
    const auto router = std::ranges::find(config.group.routers, interface, &VirtualRouter::interface);
    if (interface.empty() || router == config.group.routers.end()) return;
    diagnostics.warning(where,
                        fmt::format("replication shares {} with virtual router {}", interface, router->name),
                        "with a link of its own a failed leg can still be told to the peer");
  };
  check_shared(config.replication.interface, config.replication.interface_where);
  for (const ReplicationLink& link : config.replication.further_links)
    check_shared(link.interface, link.interface_where);
}

}  // namespace

void check_group(const Config& config, DiagnosticList& diagnostics) {
  check_nodes(config.nodes, diagnostics);
  check_routers(config, diagnostics);
  check_virtual_mac_names(config, diagnostics);
  for (const VirtualRouter& router : config.group.routers) check_virtual_mac_packets(router, diagnostics);
  check_versions(config, diagnostics);
  check_dedicated_links(config, diagnostics);
}

}  // namespace ftfw::config
