// One rule of the configuration becomes nft rules: what matches, in which connection states, then limit, log,
// counter and verdict. Pure. Which chain they stand in is the business of the callers (forward.cpp,
// input.cpp).
#pragma once

#include <vector>

#include "config/model.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw::firewall {

// False: the rule judges packet by packet. ICMP is (`icmp type echo-request limit ... accept`); everything
// else that is allowed is allowed as the first packet of a flow, whose further packets the rules on
// established flows accept.
bool opens_flows(const config::PolicyRule& rule);

// translated: only flows whose destination was translated.
std::vector<Rule> compile(const config::PolicyRule& rule, const std::vector<config::Group>& groups,
                          bool translated = false);

// Established flows that the rule allowed take the fast path of the rule's flowtable. Not the first packet,
// which has no entry yet that could be moved.
std::vector<Rule> fast_path_rules(const config::PolicyRule& rule, const std::vector<config::Group>& groups);

Log log_of(const config::Log& log);

}  // namespace ftfw::firewall
