#include "appliance/policy_check.hpp"

#include "appliance/ssh_uses.hpp"
#include "firewall/guard.hpp"
#include "firewall/own_traffic.hpp"
#include "firewall/policy.hpp"
#include "firewall/ssh_access.hpp"

namespace ftfw {

void check_policy(const config::Config& config, const Machine& machine, config::DiagnosticList& list) {
  // Without its fast paths a policy decides as it does with them.
  const firewall::Ruleset ruleset = firewall::build_ruleset(config, {});
  const firewall::Guard guard = firewall::build_guard(config);
  firewall::check_own_traffic(config, ruleset, guard, machine.held, list);
  firewall::check_ssh(config, ruleset, guard, machine.held, read_ssh_uses(), list);
}

}  // namespace ftfw
