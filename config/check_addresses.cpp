// The rules between the addresses of virtual routers, those of the nodes, and those of their neighbours.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "config/sections.hpp"

namespace ftfw::config {
namespace {

// One virtual address with all that a message about it needs.
struct Placed {
  IpPrefix prefix;
  const VirtualRouter* router;
  Location where;
};

std::vector<Placed> placed_addresses(const Config& config) {
  std::vector<Placed> all;
  for (const VirtualRouter& router : config.group.routers) {
    for (const auto* list : {&router.addresses, &router.excluded_addresses}) {
      for (const VirtualAddress& one : *list) all.push_back({one.address, &router, one.where});
    }
  }
  return all;
}

bool overlap(const IpPrefix& a, const IpPrefix& b) {
  return a.length <= b.length ? a.contains(b.address) : b.contains(a.address);
}

// fe80::/10 is behind every interface, and one router may have the same address on all of them.
bool is_of_every_link(const IpAddress& address) {
  return !address.is_ipv4() && address.is_link_local();
}

const Node* node_of(const Config& config, const IpAddress& replication_address) {
  for (const Node& node : config.nodes) {
    if (node.replication_address_where.line != 0 && node.replication_address == replication_address)
      return &node;
  }
  return nullptr;
}

void check_address(const Placed& one, const Config& config, DiagnosticList& diagnostics) {
  const IpAddress& address = one.prefix.address;
  // Point-to-point prefixes use both addresses (RFC 3021, RFC 6164).
  const bool is_network =
      one.prefix.length < (address.is_ipv4() ? 31 : 127) && network_of(one.prefix).address == address;
  if (is_network) {
    diagnostics.error(one.where,
                      fmt::format("{} is the address of the network, not of a host", one.prefix.to_string()));
  }
  if (const Node* node = node_of(config, address)) {
    diagnostics.error(one.where,
                      fmt::format("{} is the replication address of {}", address.to_string(), node->name),
                      "a virtual address moves, a replication address stays");
  }
}

// False if a message was given.
bool check_pair(const Placed& other, const Placed& one, DiagnosticList& diagnostics) {
  const bool elsewhere = other.router->interface != one.router->interface;
  if (elsewhere && is_of_every_link(one.prefix.address) && is_of_every_link(other.prefix.address))
    return true;
  if (other.prefix.address == one.prefix.address) {
    diagnostics.error(one.where, fmt::format("{} is a virtual address of {} already",
                                             one.prefix.address.to_string(), other.router->name));
    return false;
  }
  if (!elsewhere || !overlap(other.prefix, one.prefix)) return true;
  diagnostics.error(one.where,
                    fmt::format("{} on {} overlaps {} on {}", one.prefix.to_string(), one.router->interface,
                                other.prefix.to_string(), other.router->interface),
                    "one network lies behind one interface");
  return false;
}

// An advertisement carries addresses of one family, that of the packet.
void check_families(const VirtualRouter& router, DiagnosticList& diagnostics) {
  if (router.addresses.empty()) return;
  const IpAddress& first = router.addresses.front().address.address;
  for (const VirtualAddress& one : router.addresses) {
    if (one.address.address.family() == first.family()) continue;
    diagnostics.error(one.where,
                      fmt::format("{} and {} in one virtual router: its 'addresses' are of one family",
                                  first.to_string(), one.address.address.to_string()),
                      "put it into 'excluded_addresses', or into a virtual router of its own");
    return;
  }
  if (!first.is_ipv4() && !first.is_link_local()) {
    diagnostics.warning(router.addresses.front().where,
                        fmt::format("the first address of an IPv6 virtual router is its link-local address "
                                    "(RFC 9568 5.2.9), not {}",
                                    first.to_string()),
                        "hosts use it as their default router: put one in front, for example \"fe80::1\"");
  }
}

void check_labels(const VirtualRouter& router, DiagnosticList& diagnostics) {
  const std::string beginning = router.address_interface() + ":";
  if (router.interface.empty()) return;
  for (const auto* list : {&router.addresses, &router.excluded_addresses}) {
    for (const VirtualAddress& one : *list) {
      if (one.label.empty() || (one.label.starts_with(beginning) && one.label.size() > beginning.size()))
        continue;
      diagnostics.error(
          one.label_where,
          fmt::format("a label begins with its interface and a colon, found {}", quoted(one.label)),
          fmt::format("for example: label = \"{}vip\"", beginning));
    }
  }
}

// False if the address cannot be that of a neighbour at all.
bool check_neighbour_family(const VirtualRouter& router, const IpAddress& address, Location where,
                            std::string_view key, DiagnosticList& diagnostics) {
  const auto family = router.family();
  if (!family) return true;
  if (address.family() != *family) {
    diagnostics.error(where,
                      fmt::format("{} cannot be a neighbour of {}, which speaks {}", address.to_string(),
                                  router.name, *family == Family::ipv4 ? "IPv4" : "IPv6"),
                      fmt::format("'{}' has addresses of the family of 'addresses'", key));
    return false;
  }
  // RFC 9568 5.1.2.1.
  if (*family == Family::ipv6 && !address.is_link_local()) {
    diagnostics.error(where,
                      fmt::format("{} is not link-local, as IPv6 advertisements are", address.to_string()),
                      fmt::format("'{}' has the link-local addresses of the nodes", key));
    return false;
  }
  return true;
}

void check_unicast(const Config& config, const VirtualRouter& router, DiagnosticList& diagnostics) {
  for (std::size_t i = 0; i < router.unicast.size(); ++i) {
    const IpAddress& address = router.unicast[i];
    const Location where = router.unicast_where[i];
    if (!check_neighbour_family(router, address, where, "unicast", diagnostics)) continue;
    const Node* node = node_of(config, address);
    if (is_virtual(address, config.group)) {
      diagnostics.error(where, fmt::format("{} is a virtual address", address.to_string()),
                        "a virtual address moves; list the nodes' own addresses on this interface");
    } else if (node != nullptr && router.interface != config.replication.interface) {
      diagnostics.warning(
          where,
          fmt::format("{} is the address of {} on the dedicated link", address.to_string(), node->name),
          fmt::format("list its address on {}", router.interface));
    }
    if (!router.allowed_sources.empty() &&
        std::ranges::find(router.allowed_sources, address) == router.allowed_sources.end()) {
      diagnostics.warning(where,
                          fmt::format("advertisements of {} will be dropped: 'allowed_sources' has it not",
                                      address.to_string()),
                          "list it in both");
    }
  }
}

void check_allowed_sources(const Config& config, const VirtualRouter& router, DiagnosticList& diagnostics) {
  for (std::size_t i = 0; i < router.allowed_sources.size(); ++i) {
    const IpAddress& address = router.allowed_sources[i];
    const Location where = router.allowed_sources_where[i];
    if (!check_neighbour_family(router, address, where, "allowed_sources", diagnostics)) continue;
    const Node* node = node_of(config, address);
    if (is_virtual(address, config.group)) {
      diagnostics.warning(
          where, fmt::format("{} is a virtual address: no advertisement comes from it", address.to_string()),
          "list the nodes' own addresses on this interface");
    } else if (node != nullptr && router.interface != config.replication.interface) {
      diagnostics.warning(
          where,
          fmt::format("{} is the address of {} on the dedicated link", address.to_string(), node->name),
          fmt::format("list its address on {}", router.interface));
    }
  }
}

}  // namespace

void check_addresses(const Config& config, DiagnosticList& diagnostics) {
  const std::vector<Placed> all = placed_addresses(config);
  for (auto one = all.begin(); one != all.end(); ++one) {
    check_address(*one, config, diagnostics);
    for (auto other = all.begin(); other != one; ++other) {
      if (!check_pair(*other, *one, diagnostics)) break;
    }
  }
  for (const VirtualRouter& router : config.group.routers) {
    check_families(router, diagnostics);
    check_labels(router, diagnostics);
    check_unicast(config, router, diagnostics);
    check_allowed_sources(config, router, diagnostics);
  }
}

}  // namespace ftfw::config
