// What our tables have counted, as the kernel says it: each rule's own counter, the named ones, how many
// elements the sets have. One thread, with a conversation of its own. Values of one moment each, not of one
// moment together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "firewall/linux/conversation.hpp"
#include "firewall/linux/mark.hpp"
#include "firewall/linux/objects.hpp"

namespace ftfw::firewall::linux_nft {

struct CountedRule {
  std::optional<CounterValue> own;  // none: the rule has no counter of its own
};

struct CountedChain {
  std::string name;
  std::vector<CountedRule> rules;
};

struct CountedSet {
  std::string name;
  std::size_t elements = 0;  // an interval is one
};

struct CountedTable {
  std::string name;
  Mark mark;
  bool dormant = false;
  std::vector<CountedChain> chains;
  std::vector<CountedSet> sets;  // named ones
  CounterValues counters;
};

// Of those with our mark; in the kernel's order.
Result<std::vector<CountedTable>> read_counted(Conversation& conversation);

}  // namespace ftfw::firewall::linux_nft
