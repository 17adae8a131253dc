#include "firewall/match.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <utility>

namespace ftfw::firewall {
namespace {

using config::AddressSet;
using config::Group;
using config::GroupType;
using config::PortSet;

// One way to match one side of a packet; without an expression it matches every packet.
struct Choice {
  std::optional<Family> family;
  std::optional<Expression> expression;
};

const Group* find_group(const std::vector<Group>& groups, const std::string& name) {
  const auto found = std::ranges::find(groups, name, &Group::name);
  return found == groups.end() ? nullptr : &*found;
}

std::vector<AddressRange> of_family(const std::vector<AddressRange>& ranges, Family family) {
  std::vector<AddressRange> found;
  std::ranges::copy_if(ranges, std::back_inserter(found),
                       [family](const AddressRange& range) { return range.family() == family; });
  return found;
}

bool has_family(const std::vector<AddressRange>& ranges, Family family) {
  return std::ranges::any_of(ranges,
                             [family](const AddressRange& range) { return range.family() == family; });
}

std::vector<Choice> address_choices(const AddressSet& addresses, Side side,
                                    const std::vector<Group>& groups) {
  if (addresses.is_any()) return {Choice{}};
  std::vector<Choice> choices;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    auto ranges = of_family(addresses.ranges, family);
    if (!ranges.empty())
      choices.push_back({family, AddressMatch{.side = side, .family = family, .ranges = std::move(ranges)}});
    for (const config::GroupUse& use : addresses.groups) {
      const Group* group = find_group(groups, use.name);
      if (group == nullptr || !has_family(group->addresses, family)) continue;
      choices.push_back(
          {family, AddressMatch{.side = side, .family = family, .set = set_name(*group, family)}});
    }
  }
  return choices;
}

std::vector<Choice> port_choices(const PortSet& ports, Side side, std::optional<std::uint8_t> protocol,
                                 const std::vector<Group>& groups) {
  if (ports.is_any() || !protocol) return {Choice{}};
  std::vector<Choice> choices;
  if (!ports.ranges.empty())
    choices.push_back({{}, PortMatch{.protocol = *protocol, .ports = ports.ranges, .side = side}});
  for (const config::GroupUse& use : ports.groups) {
    const Group* group = find_group(groups, use.name);
    if (group == nullptr || group->ports.empty()) continue;
    choices.push_back({{}, PortMatch{.protocol = *protocol, .set = group->name, .side = side}});
  }
  return choices;
}

// False: no packet is of both.
bool narrow(std::optional<Family>& family, std::optional<Family> more) {
  if (!more) return true;
  if (family && *family != *more) return false;
  family = more;
  return true;
}

std::optional<Family> family_of(std::optional<std::uint8_t> protocol) {
  if (protocol == IPPROTO_ICMP) return Family::ipv4;
  if (protocol == IPPROTO_ICMPV6) return Family::ipv6;
  return std::nullopt;
}

void add_interfaces(std::vector<Expression>& expressions,
                    const std::vector<config::NamedInterface>& interfaces, Traffic traffic) {
  if (interfaces.empty()) return;
  InterfaceMatch match{.traffic = traffic};
  for (const config::NamedInterface& one : interfaces) match.names.push_back(one.name);
  std::ranges::sort(match.names);
  expressions.emplace_back(std::move(match));
}

// What is behind the addresses. The flags and the types name the protocol as ports do.
void add_protocol(std::vector<Expression>& expressions, std::uint8_t protocol, bool ports,
                  const config::Match& match, const std::optional<config::TcpFlags>& tcp_flags) {
  bool named = ports;
  if (protocol == IPPROTO_TCP && tcp_flags) {
    expressions.emplace_back(TcpFlagsMatch{tcp_flags->value, tcp_flags->mask});
    named = true;
  }
  const auto add_types = [&](std::vector<std::uint8_t> types, Family family) {
    if (types.empty()) return;
    std::ranges::sort(types);
    const auto rest = std::ranges::unique(types);
    types.erase(rest.begin(), rest.end());
    expressions.emplace_back(IcmpMatch{std::move(types), family});
    named = true;
  };
  if (protocol == IPPROTO_ICMP) add_types(match.icmp_types, Family::ipv4);
  if (protocol == IPPROTO_ICMPV6) add_types(match.icmpv6_types, Family::ipv6);
  if (!named) expressions.emplace_back(ProtocolMatch{protocol});
}

std::vector<std::optional<std::uint8_t>> protocols_of(const config::Match& match) {
  if (match.protocols.empty()) return {std::nullopt};
  return {match.protocols.begin(), match.protocols.end()};
}

// One combination, if a packet can have it.
std::optional<Alternative> combine(const config::Match& match,
                                   const std::optional<config::TcpFlags>& tcp_flags,
                                   std::optional<std::uint8_t> protocol,
                                   const std::array<Choice, 4>& choices) {
  Alternative one{.family = family_of(protocol), .protocol = protocol};
  add_interfaces(one.expressions, match.from, Traffic::in);
  add_interfaces(one.expressions, match.to, Traffic::out);
  for (const Choice& choice : choices) {
    if (!narrow(one.family, choice.family)) return std::nullopt;
    if (choice.expression) one.expressions.push_back(*choice.expression);
  }
  const bool ports = choices[2].expression || choices[3].expression;
  if (protocol) add_protocol(one.expressions, *protocol, ports, match, tcp_flags);
  return one;
}

SetObject set_object(const Group& group, Family family) {
  SetObject set{.name = set_name(group, family), .type = group.type, .family = family, .where = group.where};
  if (group.type == GroupType::ports) {
    set.ports = group.ports;
  } else {
    set.addresses = of_family(group.addresses, family);
  }
  return set;
}

}  // namespace

std::string set_name(const Group& group, Family family) {
  switch (group.type) {
    case GroupType::ports:
      return group.name;
    case GroupType::hosts:
    case GroupType::networks:
      return group.name + (family == Family::ipv4 ? "_v4" : "_v6");
  }
  return group.name;
}

std::vector<Alternative> alternatives(const config::Match& match,
                                      const std::optional<config::TcpFlags>& tcp_flags,
                                      const std::vector<Group>& groups) {
  const auto sources = address_choices(match.source, Side::source, groups);
  const auto destinations = address_choices(match.destination, Side::destination, groups);
  std::vector<Alternative> found;
  for (const std::optional<std::uint8_t>& protocol : protocols_of(match)) {
    const auto source_ports = port_choices(match.source_ports, Side::source, protocol, groups);
    const auto ports = port_choices(match.ports, Side::destination, protocol, groups);
    for (const Choice& source : sources) {
      for (const Choice& destination : destinations) {
        for (const Choice& source_port : source_ports) {
          for (const Choice& port : ports) {
            auto one = combine(match, tcp_flags, protocol, {source, destination, source_port, port});
            if (one) found.push_back(std::move(*one));
          }
        }
      }
    }
  }
  return found;
}

std::vector<SetObject> sets_used(const Table& table, const std::vector<Group>& groups) {
  std::set<std::string> names;
  for (const Chain& chain : table.chains) {
    for (const Rule& rule : chain.rules) {
      for (const Expression& expression : rule.expressions) {
        if (const auto* address = std::get_if<AddressMatch>(&expression)) names.insert(address->set);
        if (const auto* port = std::get_if<PortMatch>(&expression)) names.insert(port->set);
      }
    }
  }
  std::vector<SetObject> sets;
  for (const Group& group : groups) {
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      if (group.type == GroupType::ports && family == Family::ipv6) continue;
      if (names.contains(set_name(group, family))) sets.push_back(set_object(group, family));
    }
  }
  return sets;
}

}  // namespace ftfw::firewall
