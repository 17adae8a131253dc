// [[firewall.snat]], [[firewall.masquerade]], [[firewall.dnat]] and [[firewall.redirect]].
#include <fmt/format.h>

#include <algorithm>

#include "config/firewall_sections.hpp"
#include "config/names.hpp"
#include "config/sections.hpp"

namespace ftfw::config {
namespace {

// ---- source

void read_to_ports(Section& section, const Match& match, std::optional<PortRange>& to_ports,
                   std::string_view example) {
  to_ports = read_port_range(section, {"to_ports", example});
  if (!to_ports || !match.protocols.empty()) return;
  section.diagnostics().error(section.where_key("to_ports"), "'to_ports' needs a 'protocol'",
                              "for example: protocol = [\"tcp\", \"udp\"]");
}

// Every packet that could be meant is of the other family.
void check_family(const AddressSet& from, const AddressRange& to, const Value& value) {
  const auto same = [&](const AddressRange& range) { return range.family() == to.family(); };
  if (from.ranges.empty() || !from.groups.empty() || std::ranges::any_of(from.ranges, same)) return;
  value.error(fmt::format("{} cannot become {}: one is IPv4, the other IPv6", to_string(from.ranges.front()),
                          to_string(to)),
              "");
}

template <typename Nat>
void read_to(Section& section, Nat& nat, std::string_view example, const AddressSet& from) {
  const auto value = section.value({"to", example, Need::required});
  const auto to = value ? read_range(*value) : std::nullopt;
  if (!to) return;
  nat.to = *to;
  nat.to_where = value->where();
  check_family(from, *to, *value);
}

SourceNat read_snat(Section& section) {
  SourceNat nat{.where = section.where()};
  nat.match.to = read_interfaces(section, {"out", "\"eth0\"", Need::required});
  read_packets(section, nat.match, {.source = Need::required});
  read_to(section, nat, "\"192.168.0.100\"", nat.match.source);
  read_to_ports(section, nat.match, nat.to_ports, "\"1024-65535\"");
  nat.comment = read_comment(section);
  section.finish();
  return nat;
}

SourceNat read_masquerade(Section& section) {
  SourceNat nat{.masquerade = true, .where = section.where()};
  nat.match.to = read_interfaces(section, {"out", "\"ppp0\"", Need::required});
  read_packets(section, nat.match, {});
  read_to_ports(section, nat.match, nat.to_ports, "\"1024-65535\"");
  nat.comment = read_comment(section);
  section.finish();
  return nat;
}

// ---- destination

void read_allow(Section& section, DestinationNat& nat) {
  if (const auto allow = section.flag({"allow", "false"})) nat.allow = allow->value;
}

DestinationNat read_dnat(Section& section) {
  DestinationNat nat{.where = section.where()};
  nat.match.from = read_interfaces(section, {"from", "\"eth0\"", Need::required});
  read_packets(section, nat.match, {.destination = Need::required});
  read_to(section, nat, "\"192.168.2.3\"", nat.match.destination);
  read_to_ports(section, nat.match, nat.to_ports, "8080");
  read_allow(section, nat);
  nat.comment = read_comment(section);
  section.finish();
  return nat;
}

DestinationNat read_redirect(Section& section) {
  DestinationNat nat{.where = section.where()};
  nat.match.from = read_interfaces(section, {"from", "\"eth1\"", Need::required});
  read_packets(section, nat.match, {});
  read_to_ports(section, nat.match, nat.to_ports, "3128");
  read_allow(section, nat);
  nat.comment = read_comment(section);
  section.finish();
  return nat;
}

}  // namespace

std::vector<SourceNat> read_source_nats(Section& firewall) {
  std::vector<SourceNat> nats;
  for (Section& one : firewall.tables({"snat", ""}, "[[firewall.snat]]")) nats.push_back(read_snat(one));
  for (Section& one : firewall.tables({"masquerade", ""}, "[[firewall.masquerade]]"))
    nats.push_back(read_masquerade(one));
  std::ranges::stable_sort(nats, {}, &SourceNat::where);
  return nats;
}

std::vector<DestinationNat> read_destination_nats(Section& firewall) {
  std::vector<DestinationNat> nats;
  for (Section& one : firewall.tables({"dnat", ""}, "[[firewall.dnat]]")) nats.push_back(read_dnat(one));
  for (Section& one : firewall.tables({"redirect", ""}, "[[firewall.redirect]]"))
    nats.push_back(read_redirect(one));
  std::ranges::stable_sort(nats, {}, &DestinationNat::where);
  return nats;
}

}  // namespace ftfw::config
