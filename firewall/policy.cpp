#include "firewall/policy.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <string>
#include <utility>

#include "firewall/listing.hpp"
#include "firewall/network.hpp"

namespace ftfw::firewall {
namespace {

constexpr std::int32_t kPriorityFilter = 0;
constexpr std::int32_t kPrioritySourceNat = 100;
constexpr const char* kReplyChain = "forward_reply";

constexpr CtStateMatch kNew{.fresh = true};
constexpr CtStateMatch kEstablished{.established = true};

template <typename T>
std::vector<T> sorted_unique(std::vector<T> values) {
  std::ranges::sort(values);
  const auto rest = std::ranges::unique(values);
  values.erase(rest.begin(), rest.end());
  return values;
}

// ICMP is judged packet by packet (reference ruleset: `icmp type echo-request limit ... accept`); everything
// else is accepted as the first packet of a flow, whose further packets the rules on established flows
// accept.
bool opens_a_flow(const config::Allow& allow) {
  return allow.protocol != IPPROTO_ICMP;
}

bool is_used(const config::Flowtable& flowtable, const Capabilities& capabilities) {
  switch (flowtable.mode) {
    case config::FlowtableMode::automatic:
      return capabilities.flowtables;
    case config::FlowtableMode::require:
      return true;
    case config::FlowtableMode::off:
      return false;
  }
  return false;
}

void match_interface(Rule& rule, const std::string& name) {
  if (!name.empty()) rule.expressions.push_back(InterfaceMatch{.traffic = Traffic::in, .names = {name}});
}

// ---- chain prerouting: which helper follows which flow

Rule helper_rule(const config::Helper& helper) {
  Rule rule{.where = helper.where};
  rule.expressions.push_back(PortMatch{.protocol = helper.protocol, .ports = {helper.port}});
  if (helper.server) {
    rule.expressions.push_back(
        AddressMatch{.side = Side::destination, .prefixes = {network_of(*helper.server)}});
  }
  // A helper is taken only by an entry that is not confirmed yet.
  rule.expressions.push_back(kNew);
  rule.expressions.push_back(SetHelper{helper.name});
  return rule;
}

Chain prerouting(const config::Firewall& firewall) {
  Chain chain{.name = "prerouting",
              .base = Base{.hook = Hook::prerouting, .priority = kPriorityFilter, .policy = Policy::accept},
              .where = firewall.helpers.front().where};
  for (const config::Helper& helper : firewall.helpers) chain.rules.push_back(helper_rule(helper));
  return chain;
}

// ---- chain forward_reply: answers, and which of them take the fast path

Chain forward_reply(const config::Firewall& firewall, const Capabilities& capabilities) {
  Chain chain{.name = kReplyChain, .where = firewall.outside_where};
  for (const config::Flowtable& flowtable : firewall.flowtables) {
    if (!is_used(flowtable, capabilities)) continue;
    Rule rule{.expressions = {CtExpectedMatch{}, FlowAdd{flowtable.name}}, .where = flowtable.where};
    if (!flowtable.counter.empty()) rule.expressions.push_back(Count{flowtable.counter});
    rule.expressions.push_back(Accept{});
    chain.rules.push_back(std::move(rule));
  }
  chain.rules.push_back(Rule{.expressions = {Accept{}}, .where = firewall.outside_where});
  return chain;
}

// ---- chain forward

// Answers come back on the outside interface. If flows may also begin there, or anywhere, their answers come
// from elsewhere and the interface says nothing.
Rule reply_rule(const config::Firewall& firewall) {
  const bool from_elsewhere = std::ranges::any_of(firewall.allows, [&](const config::Allow& allow) {
    return opens_a_flow(allow) && (allow.from.empty() || allow.from == firewall.outside);
  });
  Rule rule{.where = firewall.outside_where};
  if (!from_elsewhere) match_interface(rule, firewall.outside);
  rule.expressions.push_back(kEstablished);
  rule.expressions.push_back(CtDirectionMatch{Direction::reply});
  rule.expressions.push_back(Goto{kReplyChain});
  return rule;
}

void match_protocol(Rule& rule, const config::Allow& allow) {
  const std::uint8_t protocol = *allow.protocol;
  const bool icmp_types = protocol == IPPROTO_ICMP && !allow.icmp_types.empty();
  if (!allow.ports.empty()) {
    rule.expressions.push_back(PortMatch{.protocol = protocol, .ports = sorted_unique(allow.ports)});
  }
  // The flag names the protocol, as the ports and the ICMP types do.
  if (protocol == IPPROTO_TCP) rule.expressions.push_back(TcpSynMatch{});
  if (icmp_types) rule.expressions.push_back(IcmpMatch{sorted_unique(allow.icmp_types)});
  if (allow.ports.empty() && !icmp_types && protocol != IPPROTO_TCP) {
    rule.expressions.push_back(ProtocolMatch{protocol});
  }
}

Rule allow_rule(const config::Allow& allow) {
  Rule rule{.where = allow.where};
  match_interface(rule, allow.from);
  if (allow.protocol) match_protocol(rule, allow);
  if (!allow.helper.empty()) {
    rule.expressions.push_back(CtStateMatch{.related = true});
    rule.expressions.push_back(CtHelperMatch{allow.helper});
  } else if (opens_a_flow(allow)) {
    rule.expressions.push_back(kNew);
  }
  if (allow.limit) {
    rule.expressions.push_back(
        Limit{.packets = allow.limit->packets, .per_seconds = allow.limit->per_seconds});
  }
  rule.expressions.push_back(Accept{});
  return rule;
}

Rule original_rule(const std::string& from, const Location& where) {
  Rule rule{.where = where};
  match_interface(rule, from);
  rule.expressions.push_back(kEstablished);
  rule.expressions.push_back(CtDirectionMatch{Direction::original});
  rule.expressions.push_back(Accept{});
  return rule;
}

// One rule for each interface where flows begin, in the order in which the file names them; one for all if
// they may begin anywhere.
std::vector<Rule> original_rules(const std::vector<config::Allow>& allows) {
  std::vector<Rule> rules;
  std::vector<std::string> seen;
  for (const config::Allow& allow : allows) {
    if (!opens_a_flow(allow)) continue;
    if (allow.from.empty()) return {original_rule("", allow.where)};
    if (std::ranges::find(seen, allow.from) != seen.end()) continue;
    seen.push_back(allow.from);
    rules.push_back(original_rule(allow.from, allow.where));
  }
  return rules;
}

Chain forward(const config::Firewall& firewall) {
  const bool closed = firewall.forward_policy == config::ForwardPolicy::drop;
  Chain chain{.name = "forward",
              .base = Base{.hook = Hook::forward,
                           .priority = kPriorityFilter,
                           .policy = closed ? Policy::drop : Policy::accept}};
  chain.rules.push_back(reply_rule(firewall));
  const auto last_flow =
      std::ranges::find_if(firewall.allows.rbegin(), firewall.allows.rend(), opens_a_flow).base();
  for (auto allow = firewall.allows.begin(); allow != firewall.allows.end(); ++allow) {
    chain.rules.push_back(allow_rule(*allow));
    if (allow + 1 == last_flow)
      std::ranges::move(original_rules(firewall.allows), std::back_inserter(chain.rules));
  }
  if (!firewall.log_invalid.empty()) {
    chain.rules.push_back(Rule{.expressions = {CtStateMatch{.invalid = true}, Log{firewall.log_invalid}},
                               .where = firewall.log_where});
  }
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
  table.chains.push_back(forward_reply(firewall, capabilities));
  table.chains.push_back(forward(firewall));
  return table;
}

// ---- table nat

Rule snat_rule(const config::SourceNat& snat) {
  return Rule{.expressions = {InterfaceMatch{.traffic = Traffic::out, .names = {snat.out}},
                              AddressMatch{.side = Side::source, .prefixes = {network_of(snat.source)}},
                              SnatTo{snat.to}},
              .where = snat.where};
}

Table nat_table(const std::vector<config::SourceNat>& snats) {
  Chain chain{.name = "postrouting",
              .base = Base{.type = ChainType::nat,
                           .hook = Hook::postrouting,
                           .priority = kPrioritySourceNat,
                           .policy = Policy::accept},
              .where = snats.front().where};
  for (const config::SourceNat& snat : snats) chain.rules.push_back(snat_rule(snat));
  return Table{
      .name = kNatTable, .kind = TableKind::nat, .chains = {std::move(chain)}, .where = snats.front().where};
}

// What is sent to a virtual router's own MAC comes in on its macvlan, and is meant by the name of the
// interface below. What goes out leaves by the interface itself: no route names the macvlan.
void receive_on_virtual_macs(Table& table, const config::SyncGroup& group) {
  const auto expand = [&group](InterfaceMatch& match) {
    if (match.traffic == Traffic::out) return;
    const std::string interface = match.names.front();
    for (const config::VirtualRouter& router : group.routers) {
      if (router.interface == interface && !router.virtual_mac_interface.empty())
        match.names.push_back(router.virtual_mac_interface);
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

}  // namespace

Ruleset build_ruleset(const config::Config& config, const Capabilities& capabilities) {
  Ruleset ruleset{filter_table(config.firewall, capabilities)};
  if (!config.firewall.snats.empty()) ruleset.push_back(nat_table(config.firewall.snats));
  for (Table& table : ruleset) {
    receive_on_virtual_macs(table, config.group);
    table.digest = digest_of(table);
  }
  return ruleset;
}

}  // namespace ftfw::firewall
