#include "firewall/policy.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "firewall/forward.hpp"
#include "firewall/input.hpp"
#include "firewall/listing.hpp"
#include "firewall/match.hpp"
#include "firewall/nat.hpp"

namespace ftfw::firewall {
namespace {

constexpr std::int32_t kPriorityFilter = 0;

template <typename T>
std::vector<T> sorted_unique(std::vector<T> values) {
  std::ranges::sort(values);
  const auto rest = std::ranges::unique(values);
  values.erase(rest.begin(), rest.end());
  return values;
}

// ---- chain prerouting: which helper follows which flow

Rule helper_rule(const config::Helper& helper) {
  Rule rule{.where = helper.where};
  rule.expressions.emplace_back(
      PortMatch{.protocol = helper.protocol, .ports = {{helper.port, helper.port}}});
  if (helper.server) {
    rule.expressions.emplace_back(AddressMatch{.side = Side::destination,
                                               .family = helper.server->address.family(),
                                               .ranges = {config::range_of(*helper.server)}});
  }
  // A helper is taken only by an entry that is not confirmed yet.
  rule.expressions.emplace_back(CtStateMatch{.fresh = true});
  rule.expressions.emplace_back(SetHelper{helper.name});
  return rule;
}

Chain prerouting(const config::Firewall& firewall) {
  Chain chain{.name = "prerouting",
              .base = Base{.hook = Hook::prerouting, .priority = kPriorityFilter, .policy = Policy::accept},
              .where = firewall.helpers.front().where};
  for (const config::Helper& helper : firewall.helpers) chain.rules.push_back(helper_rule(helper));
  return chain;
}

Table filter_table(const config::Firewall& firewall, const Capabilities& capabilities) {
  Table table{.name = kFilterTable, .kind = TableKind::filter};
  for (const config::Helper& helper : firewall.helpers) {
    table.helpers.push_back(
        {.name = helper.name, .type = helper.type, .protocol = helper.protocol, .where = helper.where});
  }
  for (const config::Counter& counter : firewall.counters) {
    table.counters.push_back({.name = counter.name, .where = counter.where});
  }
  for (const config::Flowtable& flowtable : firewall.flowtables) {
    if (!is_used(flowtable, capabilities)) continue;
    table.flowtables.push_back(
        {.name = flowtable.name, .devices = sorted_unique(flowtable.devices), .where = flowtable.where});
  }
  if (!firewall.helpers.empty()) table.chains.push_back(prerouting(firewall));
  table.chains.push_back(forward_reply_chain(firewall, capabilities));
  table.chains.push_back(forward_chain(firewall, capabilities));
  table.sets = sets_used(table, firewall.groups);
  return table;
}

// What is sent to a virtual router's own MAC comes in on its macvlan, and is meant by the name of the
// interface below. What goes out leaves by the interface itself: no route names the macvlan.
void receive_on_virtual_macs(Table& table, const config::SyncGroup& group) {
  const auto expand = [&group](InterfaceMatch& match) {
    if (match.traffic == Traffic::out) return;
    const std::vector<std::string> interfaces = match.names;
    for (const config::VirtualRouter& router : group.routers) {
      const bool named = std::ranges::find(interfaces, router.interface) != interfaces.end();
      if (named && !router.virtual_mac_interface.empty()) match.names.push_back(router.virtual_mac_interface);
    }
    match.names = sorted_unique(std::move(match.names));
  };
  for (Chain& chain : table.chains) {
    for (Rule& rule : chain.rules) {
      for (Expression& expression : rule.expressions) {
        if (auto* match = std::get_if<InterfaceMatch>(&expression)) expand(*match);
      }
    }
  }
}

bool decides(const Expression& expression) {
  return std::holds_alternative<Accept>(expression) || std::holds_alternative<Drop>(expression) ||
         std::holds_alternative<Reject>(expression) || std::holds_alternative<Goto>(expression) ||
         std::holds_alternative<Translate>(expression) || std::holds_alternative<Masquerade>(expression) ||
         std::holds_alternative<Redirect>(expression);
}

// What a rule decides it counts just before, so that only packets that it decides about are counted.
void count_decisions(Table& table) {
  for (Chain& chain : table.chains) {
    for (Rule& rule : chain.rules) {
      if (!decides(rule.expressions.back())) continue;
      rule.expressions.insert(rule.expressions.end() - 1, CountRule{});
    }
  }
}

}  // namespace

Ruleset build_ruleset(const config::Config& config, const Capabilities& capabilities) {
  Ruleset ruleset{filter_table(config.firewall, capabilities)};
  if (auto table = nat_table(config.firewall)) ruleset.push_back(std::move(*table));
  if (auto table = input_table(config)) ruleset.push_back(std::move(*table));
  for (Table& table : ruleset) {
    receive_on_virtual_macs(table, config.group);
    if (config.firewall.count_rules) count_decisions(table);
    table.digest = digest_of(table);
  }
  return ruleset;
}

}  // namespace ftfw::firewall
