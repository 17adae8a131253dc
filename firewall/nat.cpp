#include "firewall/nat.hpp"

#include <iterator>
#include <utility>

#include "firewall/match.hpp"
#include "firewall/policy.hpp"

namespace ftfw::firewall {
namespace {

constexpr std::int32_t kPriorityDestinationNat = -100;
constexpr std::int32_t kPrioritySourceNat = 100;

Expression statement(const config::SourceNat& nat) {
  if (!nat.to) return Masquerade{nat.to_ports};
  return Translate{.side = Side::source, .to = *nat.to, .ports = nat.to_ports};
}

Expression statement(const config::DestinationNat& nat) {
  if (!nat.to) return Redirect{nat.to_ports};
  return Translate{.side = Side::destination, .to = *nat.to, .ports = nat.to_ports};
}

// A packet of the other family than the address that it would get is left to the next rule.
template <typename Nat>
void add_rules(Chain& chain, const Nat& nat, const std::vector<config::Group>& groups) {
  for (Alternative& packets : alternatives(nat.match, std::nullopt, groups)) {
    if (nat.to && packets.family && *packets.family != nat.to->family()) continue;
    Rule rule{std::move(packets.expressions), nat.where, nat.comment};
    rule.expressions.push_back(statement(nat));
    chain.rules.push_back(std::move(rule));
  }
}

template <typename Nat>
void add_chain(Table& table, const char* name, Base base, const std::vector<Nat>& nats,
               const std::vector<config::Group>& groups) {
  if (nats.empty()) return;
  Chain chain{.name = name, .base = base, .where = nats.front().where};
  for (const Nat& nat : nats) add_rules(chain, nat, groups);
  table.chains.push_back(std::move(chain));
}

Base base_of(Hook hook, std::int32_t priority) {
  return {.type = ChainType::nat, .hook = hook, .priority = priority, .policy = Policy::accept};
}

}  // namespace

std::optional<Table> nat_table(const config::Firewall& firewall) {
  Table table{.name = kNatTable, .kind = TableKind::nat};
  add_chain(table, "prerouting", base_of(Hook::prerouting, kPriorityDestinationNat), firewall.dnats,
            firewall.groups);
  add_chain(table, "postrouting", base_of(Hook::postrouting, kPrioritySourceNat), firewall.snats,
            firewall.groups);
  if (table.chains.empty()) return std::nullopt;
  table.where = table.chains.front().where;
  table.sets = sets_used(table, firewall.groups);
  return table;
}

config::PolicyRule allow_of(const config::DestinationNat& dnat) {
  config::PolicyRule rule{.match = dnat.match, .comment = dnat.comment, .where = dnat.where};
  rule.match.destination = {};
  if (dnat.to) rule.match.destination.ranges = {*dnat.to};
  if (dnat.to_ports) rule.match.ports = {.ranges = {*dnat.to_ports}};
  return rule;
}

}  // namespace ftfw::firewall
