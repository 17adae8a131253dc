// Chains and their rules as messages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "firewall/linux/batch.hpp"

namespace ftfw::firewall::linux_nft {

// The empty chain. Of a base chain the hook and the policy work from this message on, unless the table is
// dormant.
// hook_number: NF_INET_*; type as the kernel calls it.
std::uint32_t hook_number(Hook hook);
const char* type_name(ChainType type);

// One that is there already gets the policy; hooked elsewhere it is refused (EEXIST).
void add_chain(Batch& batch, const std::string& table, const Chain& chain);
// All rules of the chain, which work from the commit on.
void add_rules(Batch& batch, const std::string& table, const Chain& chain);
// With its rules; refused if another chain still goes to it. The hook works until the commit.
// In front of a rule that is there, by its handle; none: at the end.
void add_rule(Batch& batch, const std::string& table, const Chain& chain, const Rule& rule,
              std::optional<std::uint64_t> before);
void delete_rule(Batch& batch, const std::string& table, const Chain& chain, std::uint64_t handle);
// All rules of the chain; of the whole table if none is named.
void delete_rules(Batch& batch, const std::string& table, const std::string& chain);
void delete_chain(Batch& batch, const std::string& table, const Chain& chain);

}  // namespace ftfw::firewall::linux_nft
