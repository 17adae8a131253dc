// The rules in the kernel beside the configuration that made them, as text and as JSON: chain by chain, each
// rule with its counter and its line, sets with their sizes, named counters. A rule is known by its place in
// its chain, so this holds only for a table of the policy in force that has as many rules as it was given; of
// any other the counters are shown, and that it is another. Pure.
#pragma once

#include <string>
#include <vector>

#include "appliance/policy_book.hpp"
#include "firewall/linux/counted.hpp"

namespace ftfw {

using CountedTables = std::vector<firewall::linux_nft::CountedTable>;

std::string rules_text(const PolicyInForce& policy, const CountedTables& tables);
std::string rules_json(const PolicyInForce& policy, const CountedTables& tables);

}  // namespace ftfw
