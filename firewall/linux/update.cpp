// Change::update: one table becomes another in its place, in the order that the kernel wants: what names
// something goes before it and comes after it.
#include <algorithm>

#include "firewall/linux/chains.hpp"
#include "firewall/linux/change.hpp"
#include "firewall/linux/sets.hpp"

namespace ftfw::firewall::linux_nft {
namespace {

bool chain_goes(const ChainChange& chain) {
  return chain.from != nullptr && (chain.to == nullptr || chain.remade);
}

void remove_rules(Batch& batch, const std::string& table, const ChainChange& chain,
                  const RuleHandles& handles) {
  if (chain.from == nullptr) return;
  if (chain_goes(chain)) return delete_rules(batch, table, chain.from->name);
  if (chain.removed.empty()) return;
  const std::vector<std::uint64_t>& known = handles.at(chain.from->name);
  for (const std::size_t rule : chain.removed) delete_rule(batch, table, *chain.from, known.at(rule));
}

void add_new_rules(Batch& batch, const std::string& table, const ChainChange& chain,
                   const RuleHandles& handles) {
  if (chain.to == nullptr) return;
  for (const AddedRule& added : chain.added) {
    std::optional<std::uint64_t> before;
    if (added.before) before = handles.at(chain.to->name).at(*added.before);
    add_rule(batch, table, *chain.to, chain.to->rules.at(added.rule), before);
  }
}

}  // namespace

void Change::update(const TableChange& change, const RuleHandles& handles,
                    const std::set<std::string>& ready) {
  const std::string& table = change.to->name;
  for (const ChainChange& chain : change.chains) remove_rules(batch_, table, chain, handles);
  for (const ChainChange& chain : change.chains) {
    if (chain_goes(chain)) delete_chain(batch_, table, *chain.from);
  }
  for (const HelperObject* helper : change.helpers_removed) delete_object(batch_, table, *helper);
  for (const CounterObject* counter : change.counters_removed) delete_object(batch_, table, *counter);
  for (const SetObject* set : change.sets_removed) delete_set(batch_, table, *set);
  for (const FlowtableObject* flowtable : change.flowtables_removed) delete_object(batch_, table, *flowtable);

  for (const HelperObject* helper : change.helpers_added) add_object(batch_, table, *helper);
  for (const CounterObject* counter : change.counters_added) add_object(batch_, table, *counter, {});
  for (const SetObject* set : change.sets_added) {
    if (ready.contains(set->name)) continue;
    add_empty_set(batch_, table, *set);
    linux_nft::add_elements(batch_, table, *set, 0, set->size());
  }
  for (const ElementChange& elements : change.elements) change_elements(*change.to, elements);
  for (const FlowtableObject* flowtable : change.flowtables_added) add_object(batch_, table, *flowtable);
  for (const ChainChange& chain : change.chains) {
    const bool comes = chain.to != nullptr && (chain.from == nullptr || chain.remade || chain.policy);
    if (comes) add_chain(batch_, table, *chain.to);
  }
  for (const ChainChange& chain : change.chains) add_new_rules(batch_, table, chain, handles);

  const auto noted = std::ranges::find(state_.tables, table, &InstalledTable::name);
  if (noted != state_.tables.end()) noted->content = change.to->digest;
}

}  // namespace ftfw::firewall::linux_nft
