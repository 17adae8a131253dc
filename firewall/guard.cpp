#include "firewall/guard.hpp"

#include <utility>

namespace ftfw::firewall {
namespace {

// Before raw (-300) and so before conntrack (-200): a dropped packet must not touch the entry of a replicated
// flow. In the forward hook it would have: a parked timeout of 86,400 s became 431,999 s (measured). After
// defragmentation (-400).
constexpr std::int32_t kPriorityGuard = -310;
// After source NAT of the input hook (100), before the entry is confirmed (INT_MAX).
constexpr std::int32_t kPriorityShield = 200;

std::vector<AddressRange> virtual_addresses(const config::Config& config, Family family) {
  std::vector<AddressRange> hosts;
  for (const config::VirtualRouter& router : config.group.routers) {
    for (const auto* list : {&router.addresses, &router.excluded_addresses}) {
      for (const config::VirtualAddress& one : *list) {
        const IpAddress& address = one.address.address;
        if (address.family() != family) continue;
        hosts.push_back(config::range_of(address));
      }
    }
  }
  return config::merged(std::move(hosts));
}

// For each family that has virtual addresses: daddr of them, then `more`.
void add_rules_for_virtual_addresses(Chain& chain, const config::Config& config,
                                     const std::vector<Expression>& more) {
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    std::vector<AddressRange> hosts = virtual_addresses(config, family);
    if (hosts.empty()) continue;
    Rule rule{.expressions = {AddressMatch{
                  .side = Side::destination, .family = family, .ranges = std::move(hosts)}},
              .where = config.group.where};
    rule.expressions.insert(rule.expressions.end(), more.begin(), more.end());
    chain.rules.push_back(std::move(rule));
  }
}

// Why policy and rules: a chain's hook and policy work from its own message on, its rules only from the
// commit on. While the batch that adds the guard puts the filter tables to sleep, the policy is what holds.
Chain closed_chain(const config::Config& config) {
  Chain chain{.name = kGuardChain,
              .base = Base{.hook = Hook::prerouting, .priority = kPriorityGuard, .policy = Policy::drop},
              .where = config.group.where};
  // An address that the node still holds is "local" to the fib; the answers of translated flows come to it.
  add_rules_for_virtual_addresses(chain, config, {Drop{}});
  chain.rules.push_back(Rule{.expressions = {UnicastElsewhereMatch{}, Drop{}}, .where = config.group.where});
  chain.rules.push_back(Rule{.expressions = {Accept{}}, .where = config.group.where});
  return chain;
}

// A packet that was past prerouting when the guard came meets the forward hook some microseconds later, or
// some milliseconds if its processor was interrupted: by then the filter tables may be asleep. (Without this
// chain 19 packets leaked in 5,000 sleeps under a flood.)
Chain gate_chain(const config::Config& config) {
  return {.name = kGateChain,
          .base = Base{.hook = Hook::forward, .priority = kPriorityGuard, .policy = Policy::drop},
          .rules = {Rule{.expressions = {Drop{}}, .where = config.group.where}},
          .where = config.group.where};
}

Chain shield_chain(const config::Config& config) {
  Chain chain{.name = kShieldChain,
              .base = Base{.hook = Hook::input, .priority = kPriorityShield, .policy = Policy::accept},
              .where = config.group.where};
  add_rules_for_virtual_addresses(chain, config,
                                  {CtStateMatch{.invalid = true, .fresh = true, .untracked = true}, Drop{}});
  return chain;
}

}  // namespace

Guard build_guard(const config::Config& config) {
  return {.table = Table{.name = kGuardTable, .kind = TableKind::guard, .where = config.group.where},
          .closed = closed_chain(config),
          .gate = gate_chain(config),
          .shield = shield_chain(config)};
}

}  // namespace ftfw::firewall
