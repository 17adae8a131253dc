#include "firewall/forward.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "firewall/nat.hpp"
#include "firewall/policy_rules.hpp"

namespace ftfw::firewall {
namespace {

using config::EstablishedPlace;
using config::Firewall;
using config::FlowSelection;
using config::NamedInterface;
using config::PolicyRule;

constexpr std::int32_t kPriorityFilter = 0;
constexpr const char* kReplyChain = "forward_reply";
constexpr CtStateMatch kEstablished{.established = true};

// A rule of the file, or the one that a destination NAT brings along.
struct Judged {
  PolicyRule rule;
  bool translated = false;
};

// In the order of the file. A rule that a NAT brings along stands where the NAT stands.
std::vector<Judged> judged_rules(const Firewall& firewall) {
  std::vector<Judged> rules;
  auto dnat = firewall.dnats.begin();
  const auto add_dnats_before = [&](const config::Location* where) {
    for (; dnat != firewall.dnats.end() && (where == nullptr || dnat->where < *where); ++dnat) {
      if (dnat->allow && dnat->to) rules.push_back({allow_of(*dnat), true});
    }
  };
  for (const PolicyRule& rule : firewall.rules) {
    add_dnats_before(&rule.where);
    rules.push_back({rule});
  }
  add_dnats_before(nullptr);
  return rules;
}

void match_interface(Rule& rule, const std::string& name) {
  if (!name.empty()) rule.expressions.emplace_back(InterfaceMatch{.traffic = Traffic::in, .names = {name}});
}

bool begins_at(const PolicyRule& rule, const std::string& interface) {
  return rule.match.from.empty() ||
         std::ranges::find(rule.match.from, interface, &NamedInterface::name) != rule.match.from.end();
}

bool leads_elsewhere(const std::vector<NamedInterface>& to, const std::string& outside) {
  return std::ranges::any_of(to, [&](const NamedInterface& one) { return one.name != outside; });
}

// Whether answers may come in on another interface than the outside: if flows may begin there, or anywhere,
// or lead to other networks as far as the file says so.
bool are_answered_elsewhere(const Firewall& firewall, const std::vector<Judged>& rules) {
  return std::ranges::any_of(rules,
                             [&](const Judged& each) {
                               if (!opens_flows(each.rule)) return false;
                               return each.translated || begins_at(each.rule, firewall.outside) ||
                                      leads_elsewhere(each.rule.match.to, firewall.outside);
                             }) ||
         std::ranges::any_of(firewall.snats, [&](const config::SourceNat& nat) {
           return leads_elsewhere(nat.match.to, firewall.outside);
         });
}

Rule reply_rule(const Firewall& firewall, const std::vector<Judged>& rules) {
  Rule rule{.where = firewall.outside_where};
  if (!are_answered_elsewhere(firewall, rules)) match_interface(rule, firewall.outside);
  rule.expressions.emplace_back(kEstablished);
  rule.expressions.emplace_back(CtDirectionMatch{Direction::reply});
  rule.expressions.emplace_back(Goto{kReplyChain});
  return rule;
}

Rule original_rule(const std::string& from, const Location& where) {
  Rule rule{.where = where};
  match_interface(rule, from);
  rule.expressions.emplace_back(kEstablished);
  rule.expressions.emplace_back(CtDirectionMatch{Direction::original});
  rule.expressions.emplace_back(Accept{});
  return rule;
}

// One rule for each interface where flows begin, in the order in which the file names them; one for all if
// they may begin anywhere.
std::vector<Rule> original_rules(const std::vector<Judged>& rules) {
  std::vector<Rule> made;
  std::vector<std::string> seen;
  for (const auto& [rule, translated] : rules) {
    if (!opens_flows(rule)) continue;
    if (rule.match.from.empty()) return {original_rule("", rule.where)};
    for (const NamedInterface& from : rule.match.from) {
      if (std::ranges::find(seen, from.name) != seen.end()) continue;
      seen.push_back(from.name);
      made.push_back(original_rule(from.name, rule.where));
    }
  }
  return made;
}

bool has_fast_path(const Firewall& firewall, const PolicyRule& rule, const Capabilities& capabilities) {
  const auto flowtable = std::ranges::find(firewall.flowtables, rule.flowtable, &config::Flowtable::name);
  return flowtable != firewall.flowtables.end() && is_used(*flowtable, capabilities);
}

// `flow add` ends its rule unless the packet moves the flow, and accepts nothing: the rules behind do.
std::vector<Rule> established_rules(const Firewall& firewall, const std::vector<Judged>& rules,
                                    const Capabilities& capabilities) {
  std::vector<Rule> made;
  for (const auto& [rule, translated] : rules) {
    if (!rule.flowtable.empty() && has_fast_path(firewall, rule, capabilities))
      std::ranges::move(fast_path_rules(rule, firewall.groups), std::back_inserter(made));
  }
  std::ranges::move(original_rules(rules), std::back_inserter(made));
  return made;
}

}  // namespace

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

Chain forward_reply_chain(const Firewall& firewall, const Capabilities& capabilities) {
  Chain chain{.name = kReplyChain, .where = firewall.outside_where};
  for (const config::Flowtable& flowtable : firewall.flowtables) {
    if (!is_used(flowtable, capabilities) || flowtable.flows == FlowSelection::rules) continue;
    Rule rule{.where = flowtable.where};
    if (flowtable.flows == FlowSelection::expected) rule.expressions.emplace_back(CtExpectedMatch{});
    rule.expressions.emplace_back(FlowAdd{flowtable.name});
    if (!flowtable.counter.empty()) rule.expressions.emplace_back(Count{flowtable.counter});
    rule.expressions.emplace_back(Accept{});
    chain.rules.push_back(std::move(rule));
  }
  chain.rules.push_back(Rule{.expressions = {Accept{}}, .where = firewall.outside_where});
  return chain;
}

Chain forward_chain(const Firewall& firewall, const Capabilities& capabilities) {
  const bool closed = firewall.forward_policy == config::ForwardPolicy::drop;
  Chain chain{.name = "forward",
              .base = Base{.hook = Hook::forward,
                           .priority = kPriorityFilter,
                           .policy = closed ? Policy::drop : Policy::accept}};
  const auto add = [&chain](std::vector<Rule> rules) {
    std::ranges::move(rules, std::back_inserter(chain.rules));
  };
  const std::vector<Judged> rules = judged_rules(firewall);
  const bool early = firewall.established == EstablishedPlace::first;
  chain.rules.push_back(reply_rule(firewall, rules));
  if (early) add(established_rules(firewall, rules, capabilities));
  const auto last_flow = std::ranges::find_if(rules.rbegin(), rules.rend(), [](const Judged& each) {
                           return opens_flows(each.rule);
                         }).base();
  for (auto each = rules.begin(); each != rules.end(); ++each) {
    add(compile(each->rule, firewall.groups, each->translated));
    if (!early && each + 1 == last_flow) add(established_rules(firewall, rules, capabilities));
  }
  if (!firewall.log_invalid.empty()) {
    chain.rules.push_back(
        Rule{.expressions = {CtStateMatch{.invalid = true}, Log{.prefix = firewall.log_invalid}},
             .where = firewall.log_where});
  }
  return chain;
}

}  // namespace ftfw::firewall
