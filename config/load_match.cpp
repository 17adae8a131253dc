// Which packets a rule is about: interfaces, addresses, protocols, ports, ICMP types.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "config/firewall_sections.hpp"
#include "config/names.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

constexpr std::string_view kAny = "any";
constexpr std::string_view kPortsHint =
    "ports go with protocol = \"tcp\", \"udp\", \"sctp\", \"dccp\" or \"udplite\"";

bool is_text(const Value& value, std::string_view text) {
  const auto string = value.node.as_string();
  return string != nullptr && string->get() == text;
}

// "@admins"
std::optional<GroupUse> read_group_use(const Value& value) {
  const auto string = value.node.as_string();
  if (string == nullptr || !string->get().starts_with('@')) return std::nullopt;
  return GroupUse{string->get().substr(1), value.where()};
}

template <typename Set>
void add_group(Set& set, GroupUse use, const Value& value) {
  if (std::ranges::find(set.groups, use.name, &GroupUse::name) != set.groups.end()) {
    value.error(fmt::format("group {} stands in the list already", use.name), "");
    return;
  }
  set.groups.push_back(std::move(use));
}

std::optional<AddressRange> read_address_element(const Value& value) {
  const auto written =
      value.text("an address, a network or a range in quotes, or \"@\" and the name of a group");
  if (!written) return std::nullopt;
  if (const auto range = parse_address_range(written->value)) return range;
  const auto prefix = IpPrefix::parse(written->value);
  if (!prefix) {
    value.error(fmt::format("{} is no address, network or range: {}", value.label(), quoted(written->value)));
    return std::nullopt;
  }
  if (!check_host_bits(*prefix, value)) return std::nullopt;
  return range_of(*prefix);
}

std::optional<PortRange> read_port_element(const Value& value) {
  if (!value.node.is_string()) {
    const auto port = value.integer(1, 65535);
    if (!port) return std::nullopt;
    const auto number = static_cast<std::uint16_t>(port->value);
    return PortRange{number, number};
  }
  const auto written = value.text();
  const auto range = parse_port_range(written->value);
  if (!range) {
    value.error(fmt::format("{} is no port or range of ports: {}", value.label(), quoted(written->value)),
                "a port is a number, a range is \"8000-8080\", a group is \"@web\"");
  }
  return range;
}

// ---- ICMP types, which have different numbers in both families

struct TypeNumbers {
  std::optional<std::uint8_t> icmp;
  std::optional<std::uint8_t> icmpv6;
};

std::optional<TypeNumbers> numbers_of(const Value& value, bool icmp, bool icmpv6) {
  if (value.node.is_integer()) {
    const auto number = value.integer(0, 255);
    if (!number) return std::nullopt;
    if (icmp && icmpv6) {
      value.error("a number means different types in ICMP and ICMPv6", "write its name, or two rules");
      return std::nullopt;
    }
    const auto type = static_cast<std::uint8_t>(number->value);
    return TypeNumbers{icmp ? std::optional(type) : std::nullopt,
                       icmpv6 ? std::optional(type) : std::nullopt};
  }
  const auto name = value.text("an ICMP type's name in quotes or its number");
  if (!name) return std::nullopt;
  const TypeNumbers numbers{icmp ? icmp_type_number(name->value) : std::nullopt,
                            icmpv6 ? icmpv6_type_number(name->value) : std::nullopt};
  if ((icmp && !numbers.icmp) || (icmpv6 && !numbers.icmpv6)) {
    const bool of_v6 = !icmp || numbers.icmp;
    const auto known = of_v6 ? icmpv6_type_names() : icmp_type_names();
    const auto meant = nearest(name->value, known);
    value.error(fmt::format("unknown {} type {}", of_v6 ? "ICMPv6" : "ICMP", quoted(name->value)),
                meant ? fmt::format("did you mean \"{}\"?", *meant)
                      : fmt::format("known are {}; any other by its number", listed(known, " and ")));
    return std::nullopt;
  }
  return numbers;
}

void read_types(Section& section, Match& match) {
  const auto has = [&](std::uint8_t protocol) {
    return std::ranges::find(match.protocols, protocol) != match.protocols.end();
  };
  const bool icmpv6 = has(kProtocolIcmpv6);
  const bool icmp = has(kProtocolIcmp) || !icmpv6;
  for (const Value& value : section.list({"types", "[\"echo-request\"]; leave it out to allow every type"})) {
    const auto numbers = numbers_of(value, icmp, icmpv6);
    if (!numbers) continue;
    bool again = false;
    const auto add = [&again](std::vector<std::uint8_t>& types, std::optional<std::uint8_t> number) {
      if (!number) return;
      again |= std::ranges::find(types, *number) != types.end();
      types.push_back(*number);
    };
    add(match.icmp_types, numbers->icmp);
    add(match.icmpv6_types, numbers->icmpv6);
    if (again) value.error("this type stands in the list already", "");
  }
}

// True: the key is there, but no protocol could be read from it.
bool read_protocols(Section& section, Match& match) {
  const auto written = section.value({"protocol", "\"tcp\""});
  if (!written || is_text(*written, kAny)) return false;
  for (const Value& value : elements_of(*written)) {
    const auto protocol = value.protocol();
    if (!protocol) continue;
    if (std::ranges::find(match.protocols, protocol->value) != match.protocols.end()) {
      value.error(fmt::format("{} stands in the list already", protocol_name(protocol->value)), "");
      continue;
    }
    match.protocols.push_back(protocol->value);
  }
  return match.protocols.empty();
}

void check_ports_key(const Section& section, const Match& match, std::string_view key) {
  if (!section.has(key)) return;
  if (section.has("helper") && !section.has("protocol")) {
    section.diagnostics().error(section.where_key(key), fmt::format("'{}' does not go with 'helper'", key),
                                std::string(kPortsHint));
    return;
  }
  const auto without = std::ranges::find_if_not(match.protocols, has_ports);
  if (without != match.protocols.end()) {
    section.diagnostics().error(section.where_key(key),
                                fmt::format("{} has no ports here", protocol_name(*without)),
                                std::string(kPortsHint));
  } else if (match.protocols.empty()) {
    section.diagnostics().error(section.where_key(key), fmt::format("'{}' needs a 'protocol'", key),
                                "for example: protocol = [\"tcp\", \"udp\"]");
  }
}

void check_types_key(const Section& section, const Match& match) {
  if (!section.has("types")) return;
  const auto other = std::ranges::find_if_not(match.protocols, [](std::uint8_t protocol) {
    return protocol == kProtocolIcmp || protocol == kProtocolIcmpv6;
  });
  if (other == match.protocols.end() && !match.protocols.empty()) return;
  section.diagnostics().error(section.where_key("types"),
                              other == match.protocols.end()
                                  ? std::string(section.has("helper") ? "'types' does not go with 'helper'"
                                                                      : "'types' needs a 'protocol'")
                                  : fmt::format("{} has no ICMP types", protocol_name(*other)),
                              "'types' goes with protocol = \"icmp\" or \"icmpv6\"");
}

}  // namespace

bool has_ports(std::uint8_t protocol) {
  constexpr std::array<std::uint8_t, 5> kWithPorts{kProtocolTcp, kProtocolUdp, kProtocolSctp, kProtocolDccp,
                                                   kProtocolUdplite};
  return std::ranges::find(kWithPorts, protocol) != kWithPorts.end();
}

std::vector<Value> elements_of(const Value& value) {
  const toml::array* array = value.node.as_array();
  if (array == nullptr) return {value};
  if (array->empty()) value.error(fmt::format("'{}' is empty", value.key.name));
  if (array->size() > kMaxElements) {
    value.error(fmt::format("'{}' has {} elements, {} at most", value.key.name, array->size(), kMaxElements),
                "");
    return {};
  }
  std::vector<Value> values;
  for (const toml::node& element : *array)
    values.push_back(Value{element, value.key, value.diagnostics, true});
  return values;
}

std::vector<NamedInterface> read_interfaces(Section& section, Key key) {
  std::vector<NamedInterface> interfaces;
  const auto written = section.value(key);
  if (!written || is_text(*written, kAny)) return interfaces;
  for (const Value& value : elements_of(*written)) {
    const auto name = value.interface();
    if (!name) continue;
    if (name->value == kAny) {
      value.error("\"any\" stands alone, not in a list", fmt::format("{} = \"any\"", key.name));
      continue;
    }
    if (std::ranges::find(interfaces, name->value, &NamedInterface::name) != interfaces.end()) {
      value.error(fmt::format("{} stands in the list already", name->value), "");
      continue;
    }
    interfaces.push_back({name->value, name->where});
  }
  return interfaces;
}

AddressSet read_addresses(Section& section, Key key) {
  AddressSet set;
  const auto written = section.value(key);
  if (!written || is_text(*written, kAny)) return set;
  set.where = written->where();
  for (const Value& value : elements_of(*written)) {
    if (auto use = read_group_use(value)) {
      add_group(set, std::move(*use), value);
    } else if (const auto range = read_address_element(value)) {
      set.ranges.push_back(*range);
    }
  }
  set.ranges = merged(std::move(set.ranges));
  return set;
}

PortSet read_ports(Section& section, Key key) {
  PortSet set;
  const auto written = section.value(key);
  if (!written) return set;
  set.where = written->where();
  for (const Value& value : elements_of(*written)) {
    if (auto use = read_group_use(value)) {
      add_group(set, std::move(*use), value);
      continue;
    }
    const auto range = read_port_element(value);
    if (!range) continue;
    if (std::ranges::find(set.ranges, *range) != set.ranges.end()) {
      value.error(fmt::format("port {} stands in the list already", to_string(*range)), "");
      continue;
    }
    set.ranges.push_back(*range);
  }
  set.ranges = merged(std::move(set.ranges));
  return set;
}

std::optional<PortRange> read_port_range(Section& section, Key key) {
  const auto value = section.value(key);
  return value ? read_port_element(*value) : std::nullopt;
}

std::optional<AddressRange> read_range(const Value& value) {
  if (const auto string = value.node.as_string()) {
    if (const auto range = parse_address_range(string->get())) return range;
  }
  const auto address = value.address();
  if (!address || !check_usable(address->value, value)) return std::nullopt;
  return range_of(address->value);
}

void read_packets(Section& section, Match& match, const PacketKeys& keys) {
  match.source = read_addresses(section, {"source", "[\"192.168.2.0/24\", \"@admins\"]", keys.source});
  match.destination =
      read_addresses(section, {"destination", "[\"192.168.0.3\", \"@servers\"]", keys.destination});
  const bool protocols_unread = read_protocols(section, match);
  match.source_ports = read_ports(section, {"source_ports", "[\"1024-65535\"]"});
  match.ports = read_ports(section, {"ports", "[80, 443]; leave it out to allow every port"});
  if (keys.types) read_types(section, match);
  if (protocols_unread) return;
  check_ports_key(section, match, "source_ports");
  check_ports_key(section, match, "ports");
  if (keys.types) check_types_key(section, match);
}

}  // namespace ftfw::config
