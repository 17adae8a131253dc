// Chains and their rules as messages.
#pragma once

#include <string>

#include "firewall/linux/batch.hpp"

namespace ftfw::firewall::linux_nft {

// The empty chain. Of a base chain the hook and the policy work from this message on, unless the table is
// dormant.
void add_chain(Batch& batch, const std::string& table, const Chain& chain);
// All rules of the chain, which work from the commit on.
void add_rules(Batch& batch, const std::string& table, const Chain& chain);
// With its rules; refused if another chain still goes to it. The hook works until the commit.
void delete_chain(Batch& batch, const std::string& table, const Chain& chain);

}  // namespace ftfw::firewall::linux_nft
