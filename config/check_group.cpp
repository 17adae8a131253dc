// The rules between nodes, virtual routers, addresses and the dedicated link.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "config/sections.hpp"

namespace ftfw::config {
namespace {

constexpr std::size_t kNodes = 2;

// One virtual address with all that a message about it needs.
struct Placed {
  IpPrefix prefix;
  const VirtualRouter* router;
  Location where;
};

bool overlap(const IpPrefix& a, const IpPrefix& b) {
  return a.length <= b.length ? a.contains(b.address) : b.contains(a.address);
}

std::vector<Placed> placed_addresses(const Config& config) {
  std::vector<Placed> all;
  for (const VirtualRouter& router : config.group.routers) {
    for (const VirtualAddress& address : router.addresses) {
      all.push_back({address.address, &router, address.where});
    }
  }
  return all;
}

void check_nodes(const std::vector<Node>& nodes, DiagnosticList& diagnostics) {
  if (nodes.size() == 1) {
    diagnostics.error(nodes[0].where, "one node: an appliance is a pair",
                      "add the other firewall as [node.NAME]");
  }
  if (nodes.size() > kNodes) {
    diagnostics.error(nodes[kNodes].where, fmt::format("{} nodes: an appliance is a pair", nodes.size()));
  }
  if (nodes.size() != kNodes) return;
  const Node& first = nodes[0];
  const Node& second = nodes[1];
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
        where, fmt::format("both nodes have priority {}", first.priority),
        "the greater interface address wins then; give the preferred node the greater priority");
  }
}

void check_routers(const Config& config, DiagnosticList& diagnostics) {
  const std::vector<VirtualRouter>& routers = config.group.routers;
  for (auto router = routers.begin(); router != routers.end(); ++router) {
    const auto same_name = std::find_if(
        routers.begin(), router, [&](const VirtualRouter& other) { return other.name == router->name; });
    const auto same_id = std::find_if(routers.begin(), router, [&](const VirtualRouter& other) {
      return router->id_where.line != 0 && other.id == router->id && !router->interface.empty() &&
             other.interface == router->interface;
    });
    if (same_id != router) {
      diagnostics.error(
          router->id_where,
          fmt::format("{} uses id {} on {} already", same_id->name, router->id, router->interface),
          "each virtual router of an interface has an id of its own, 1 to 255");
    } else if (same_name != router) {
      diagnostics.error(router->where, fmt::format("a second virtual router named {}", quoted(router->name)),
                        fmt::format("the first stands in line {}", same_name->where.line));
    }
  }
}

void check_address(const Placed& one, const Config& config, DiagnosticList& diagnostics) {
  const IpAddress& address = one.prefix.address;
  if (!address.is_ipv4()) {
    diagnostics.error(
        one.where,
        config.vrrp.version == 2
            ? fmt::format("VRRP version 2 carries IPv4 addresses only, not {}", address.to_string())
            : fmt::format("IPv6 virtual addresses are not implemented in this version: {}",
                          address.to_string()),
        "an IPv4 address, for example \"192.168.2.100\"");
    return;
  }
  if (one.prefix.length < 31 && network_of(one.prefix).address == address) {
    diagnostics.error(one.where,
                      fmt::format("{} is the address of the network, not of a host", one.prefix.to_string()));
  }
  for (const Node& node : config.nodes) {
    if (node.replication_address_where.line != 0 && node.replication_address == address) {
      diagnostics.error(one.where,
                        fmt::format("{} is the replication address of {}", address.to_string(), node.name),
                        "a virtual address moves, a replication address stays");
    }
  }
}

void check_addresses(const Config& config, DiagnosticList& diagnostics) {
  const std::vector<Placed> all = placed_addresses(config);
  for (auto one = all.begin(); one != all.end(); ++one) {
    check_address(*one, config, diagnostics);
    for (auto other = all.begin(); other != one; ++other) {
      if (other->prefix.address == one->prefix.address) {
        diagnostics.error(one->where, fmt::format("{} is a virtual address of {} already",
                                                  one->prefix.address.to_string(), other->router->name));
        break;
      }
      const bool elsewhere = other->router->interface != one->router->interface;
      if (elsewhere && overlap(other->prefix, one->prefix)) {
        diagnostics.error(
            one->where,
            fmt::format("{} on {} overlaps {} on {}", one->prefix.to_string(), one->router->interface,
                        other->prefix.to_string(), other->router->interface),
            "one network lies behind one interface");
        break;
      }
    }
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

IpPrefix network_of(const IpPrefix& prefix) {
  const ByteSpan bytes = prefix.address.bytes();
  ByteVector masked(bytes.begin(), bytes.end());
  for (std::size_t bit = prefix.length; bit < masked.size() * 8; ++bit) {
    masked[bit / 8] = static_cast<std::uint8_t>(masked[bit / 8] & ~(0x80U >> (bit % 8)));
  }
  return {IpAddress::from_bytes(masked).value_or(prefix.address), prefix.length};
}

void check_group(const Config& config, DiagnosticList& diagnostics) {
  check_nodes(config.nodes, diagnostics);
  check_routers(config, diagnostics);
  check_addresses(config, diagnostics);
  check_dedicated_links(config, diagnostics);
}

}  // namespace ftfw::config
