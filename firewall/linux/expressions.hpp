// Turns the typed expressions of a rule into the kernel's: loads into register 1, comparisons, verdicts, in
// the order in which nft would emit them, so that `nft list ruleset` prints the text of listing.hpp.
// Invariant: whatever reads the network or transport header stands behind a check of the protocol (the kernel
// does not demand it; without it bytes of another protocol would be compared).
#pragma once

#include "firewall/linux/batch.hpp"

struct nftnl_rule;

namespace ftfw::firewall::linux_nft {

// Adds the messages of the sets that the rule needs to the batch, and all expressions to `to`.
void add_expressions(Batch& batch, const Origin& origin, const Rule& rule, nftnl_rule& to);

}  // namespace ftfw::firewall::linux_nft
