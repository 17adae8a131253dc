// What a new ruleset changes of the one that is loaded, as values: which objects, elements, chains and rules
// go and come. Everything else stays as it is in the kernel, with its content, its handle and its counters.
// Pure; the pointers point into the two rulesets that were compared. Rules are compared by their text, so one
// that only moved to another line of the configuration is the same. Cost: the number of rules and elements.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firewall/ruleset.hpp"

namespace ftfw::firewall {

// Elements of one set.
struct ElementChange {
  std::string set;
  bool all = false;   // whatever is there goes first, and `added` is everything
  SetObject removed;  // name and type as the set's
  SetObject added;

  bool empty() const { return !all && removed.size() == 0 && added.size() == 0; }
  std::size_t size() const { return removed.size() + added.size(); }
};

// Both sets are of one type and family.
ElementChange compare_elements(const SetObject& from, const SetObject& to);

struct AddedRule {
  std::size_t rule = 0;               // of `to`
  std::optional<std::size_t> before;  // a rule of `from` that stays; none: the end of the chain
};

struct ChainChange {
  const Chain* from = nullptr;  // none: the chain is new
  const Chain* to = nullptr;    // none: it goes
  bool remade = false;          // hooked elsewhere: it goes and comes
  bool policy = false;
  std::vector<std::size_t> removed;  // rules of `from`
  std::vector<AddedRule> added;      // in the order in which they are added

  bool empty() const {
    return from != nullptr && to != nullptr && !remade && !policy && removed.empty() && added.empty();
  }
};

// Objects whose content differs stand in both lists.
struct TableChange {
  const Table* from = nullptr;
  const Table* to = nullptr;
  std::vector<const HelperObject*> helpers_removed, helpers_added;
  std::vector<const CounterObject*> counters_removed, counters_added;
  std::vector<const FlowtableObject*> flowtables_removed, flowtables_added;
  std::vector<const SetObject*> sets_removed, sets_added;
  std::vector<ElementChange> elements;
  std::vector<ChainChange> chains;

  bool empty() const;
};

// Two tables of one name.
TableChange compare(const Table& from, const Table& to);

// From one ruleset to another, kept alive by this.
struct RulesetChange {
  std::shared_ptr<const Ruleset> from;
  std::shared_ptr<const Ruleset> to;
  std::vector<TableChange> tables;  // those that are in both, also without a difference

  const TableChange* of(const std::string& table) const;
};

RulesetChange compare(std::shared_ptr<const Ruleset> from, std::shared_ptr<const Ruleset> to);

// What a person reads of it: "2 rules, 1 element"; empty: nothing.
std::string describe(const RulesetChange& change);

// The chains of a circle of gotos in one line, "a > b > a"; nothing: there is none. The kernel's dry run does
// not find them (nf_tables_api.c, nft_chain_validate is of the commit).
std::optional<std::string> find_loop(const Table& table);

}  // namespace ftfw::firewall
