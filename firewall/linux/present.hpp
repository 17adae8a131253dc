// What stands in one table of ours at this moment, where a change must know it: its chains, the handles of a
// chain's rules, the elements of a set. Read when needed, not with every look at the tables (installed.hpp):
// 10,000 rules or 100,000 elements take tens of milliseconds. A commit that relies on it names the generation
// in which it was read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "firewall/linux/conversation.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw::firewall::linux_nft {

struct PresentChain {
  std::string name;
  bool base = false;
  std::string type;  // "filter", "nat"; of base chains, like what follows
  std::uint32_t hook = 0;
  std::int32_t priority = 0;
};

// EINTR as code: the ruleset changed meanwhile.
Result<std::vector<PresentChain>> read_chains(Conversation& conversation, const std::string& table);
// In the order of the chain.
Result<std::vector<std::uint64_t>> read_rule_handles(Conversation& conversation, const std::string& table,
                                                     const std::string& chain);
// A set like `set`, with the elements that the kernel's has. Nothing: they are no pairs of ends.
Result<std::optional<SetObject>> read_elements(Conversation& conversation, const std::string& table,
                                               const SetObject& set);

}  // namespace ftfw::firewall::linux_nft
