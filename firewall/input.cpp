#include "firewall/input.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "firewall/match.hpp"
#include "firewall/nat.hpp"
#include "firewall/policy_rules.hpp"

namespace ftfw::firewall {
namespace {

constexpr std::int32_t kPriorityFilter = 0;
constexpr std::uint8_t kVrrp = 112;                                     // RFC 9568 5.1.1.4
constexpr config::TcpFlags kFirstSegment{.value = 0x02, .mask = 0x17};  // SYN of SYN, ACK, RST, FIN

// RFC 792, RFC 4443.
constexpr std::uint8_t kEchoRequest = 8;
constexpr std::uint8_t kEchoRequestV6 = 128;
// destination-unreachable, time-exceeded, parameter-problem; IPv6 has packet-too-big besides (RFC
// 4890 4.4.1).
const std::vector<std::uint8_t> kIcmpErrors{3, 11, 12};
const std::vector<std::uint8_t> kIcmpv6Errors{1, 2, 3, 4};
// What the link itself needs: multicast listener queries (130), router (134) and neighbour (135, 136)
// discovery. The kernel drops those that did not begin on the link.
const std::vector<std::uint8_t> kLinkIcmpv6{130, 134, 135, 136};

std::vector<Rule> head(const Location& where) {
  return {Rule{.expressions = {InterfaceMatch{.names = {"lo"}}, Accept{}}, .where = where}};
}

void add_replication_link(std::vector<Rule>& rules, const std::string& interface,
                          const std::vector<IpAddress>& nodes, std::uint16_t port, const Location& where) {
  if (nodes.empty()) return;
  AddressMatch match{.side = Side::source, .family = nodes.front().family()};
  for (const IpAddress& node : nodes) match.ranges.push_back(config::range_of(node));
  match.ranges = config::merged(std::move(match.ranges));
  rules.push_back(Rule{.expressions = {InterfaceMatch{.names = {interface}}, std::move(match),
                                       PortMatch{.protocol = IPPROTO_UDP, .ports = {{port, port}}}, Accept{}},
                       .where = where});
}

// Before everything that could drop: neither depends on the state of conntrack.
void add_own_protocols(std::vector<Rule>& rules, const config::Config& config, const Location& where) {
  InterfaceMatch interfaces;
  for (const config::VirtualRouter& router : config.group.routers)
    interfaces.names.push_back(router.interface);
  std::ranges::sort(interfaces.names);
  const auto rest = std::ranges::unique(interfaces.names);
  interfaces.names.erase(rest.begin(), rest.end());
  if (!interfaces.names.empty())
    rules.push_back(Rule{.expressions = {interfaces, ProtocolMatch{kVrrp}, Accept{}}, .where = where});

  std::vector<IpAddress> nodes;
  for (const config::Node& node : config.nodes) nodes.push_back(node.replication_address);
  add_replication_link(rules, config.replication.interface, nodes, config.replication.port, where);
  for (const config::ReplicationLink& link : config.replication.further_links)
    add_replication_link(rules, link.interface, link.addresses, config.replication.port, where);
}

void add_reverse_path(std::vector<Rule>& rules, const config::Input& input) {
  if (input.reverse_path == config::ReversePath::off) return;
  const bool loose = input.reverse_path == config::ReversePath::loose;
  rules.push_back(Rule{.expressions = {NoWayBackMatch{loose}, Drop{}}, .where = input.reverse_path_where});
}

void accept_icmp(std::vector<Rule>& rules, std::vector<std::uint8_t> types, Family family,
                 const Location& where, const std::optional<config::RateLimit>& limit = std::nullopt) {
  Rule rule{.expressions = {IcmpMatch{std::move(types), family}}, .where = where};
  if (limit) rule.expressions.emplace_back(Limit{*limit});
  rule.expressions.emplace_back(Accept{});
  rules.push_back(std::move(rule));
}

// Before the reverse path filter: who looks for its own address yet sends from none.
void add_link_protocols(std::vector<Rule>& rules, const Location& where) {
  accept_icmp(rules, kLinkIcmpv6, Family::ipv6, where);
  // Membership queries: a switch that snoops forwards no multicast advertisement to who does not answer them.
  rules.push_back(Rule{.expressions = {ProtocolMatch{IPPROTO_IGMP}, Accept{}}, .where = where});
}

void add_icmp(std::vector<Rule>& rules, const config::Input& input) {
  accept_icmp(rules, kIcmpErrors, Family::ipv4, input.where);
  accept_icmp(rules, kIcmpv6Errors, Family::ipv6, input.where);
  if (!input.ping) return;
  accept_icmp(rules, {kEchoRequest}, Family::ipv4, input.where, input.ping);
  accept_icmp(rules, {kEchoRequestV6}, Family::ipv6, input.where, input.ping);
}

void add_services(std::vector<Rule>& rules, const config::Firewall& firewall) {
  for (const config::PolicyRule& service : firewall.services)
    std::ranges::move(compile(service, firewall.groups), std::back_inserter(rules));
  for (const config::DestinationNat& dnat : firewall.dnats) {
    if (dnat.allow && !dnat.to)
      std::ranges::move(compile(allow_of(dnat), firewall.groups, true), std::back_inserter(rules));
  }
}

// Those that services name: a rule sees the objects of its own table only.
std::vector<CounterObject> counters_of(const config::Firewall& firewall) {
  std::vector<CounterObject> counters;
  for (const config::Counter& counter : firewall.counters) {
    if (std::ranges::find(firewall.services, counter.name, &config::PolicyRule::counter) !=
        firewall.services.end())
      counters.push_back({.name = counter.name, .where = counter.where});
  }
  return counters;
}

void add_end(std::vector<Rule>& rules, const config::Input& input) {
  Rule drop{.where = input.where};
  if (input.log) {
    Rule log{.where = input.log->where};
    if (input.log->limit) log.expressions.emplace_back(Limit{*input.log->limit});
    log.expressions.emplace_back(log_of(*input.log));
    rules.push_back(std::move(log));
  }
  drop.expressions.emplace_back(Drop{});
  rules.push_back(std::move(drop));
}

}  // namespace

std::optional<Table> input_table(const config::Config& config) {
  const config::Firewall& firewall = config.firewall;
  if (!firewall.input) return std::nullopt;
  const config::Input& input = *firewall.input;
  std::vector<Rule> rules = head(input.where);
  add_own_protocols(rules, config, input.where);
  add_link_protocols(rules, input.where);
  if (input.drop_invalid)
    rules.push_back(Rule{.expressions = {CtStateMatch{.invalid = true}, Drop{}}, .where = input.where});
  add_reverse_path(rules, input);
  rules.push_back(Rule{.expressions = {CtStateMatch{.established = true, .related = true}, Accept{}},
                       .where = input.where});
  add_icmp(rules, input);
  if (input.syn_limit) {
    rules.push_back(Rule{.expressions = {TcpFlagsMatch{kFirstSegment.value, kFirstSegment.mask},
                                         Limit{*input.syn_limit}, Drop{}},
                         .where = input.where});
  }
  add_services(rules, firewall);
  add_end(rules, input);
  Table table{.name = kInputTable, .kind = TableKind::input, .where = input.where};
  table.chains.push_back(Chain{.name = "input",
                               .base = Base{.hook = Hook::input, .priority = kPriorityFilter},
                               .rules = std::move(rules),
                               .where = input.where});
  table.sets = sets_used(table, firewall.groups);
  table.counters = counters_of(firewall);
  return table;
}

}  // namespace ftfw::firewall
