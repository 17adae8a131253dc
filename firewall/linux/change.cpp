#include "firewall/linux/change.hpp"

#include <algorithm>

#include "firewall/linux/chains.hpp"
#include "firewall/linux/sets.hpp"

namespace ftfw::firewall::linux_nft {

void Change::note(const Table& table, Activity activity) {
  state_.tables.push_back({.name = table.name,
                           .mark = mark_of(table, author_),
                           .content = table.digest,
                           .dormant = activity == Activity::dormant,
                           .complete = true});
  settled_.insert(table.name);
}

void Change::place(const Table& table, Activity activity, const CounterValues& carried) {
  if (state_.find(table.name) != nullptr) remove(table.name);
  create_table(batch_, table, activity, author_);
  fill_table(batch_, table, carried);
  note(table, activity);
  placed_filter_table_ |= table.kind == TableKind::filter;
}

void Change::prepare(const Table& table, const CounterValues& carried) {
  if (state_.find(table.name) != nullptr) remove(table.name);
  create_table(batch_, table, Activity::dormant, author_);
  fill_objects(batch_, table, carried);
  note(table, Activity::dormant);
  state_.tables.back().complete = false;
}

void Change::add_elements(const Table& table, const SetObject& set, std::size_t from) {
  linux_nft::add_elements(batch_, table.name, set, from, kElementsPerPiece);
}

void Change::complete(const Table& table) {
  fill_chains(batch_, table);
  const auto noted = std::ranges::find(state_.tables, table.name, &InstalledTable::name);
  if (noted != state_.tables.end()) noted->complete = true;
  placed_filter_table_ |= table.kind == TableKind::filter;
}

bool Change::rewrite_chains(const Table& table, const std::vector<PresentChain>& present) {
  for (const PresentChain& chain : present) {
    const auto wanted = std::ranges::find(table.chains, chain.name, &Chain::name);
    if (wanted == table.chains.end()) continue;
    const bool alike = chain.base == wanted->base.has_value() &&
                       (!chain.base || (chain.type == type_name(wanted->base->type) &&
                                        chain.priority == wanted->base->priority &&
                                        chain.hook == hook_number(wanted->base->hook)));
    if (!alike) return false;
  }
  delete_rules(batch_, table.name, "");
  for (const PresentChain& chain : present) {
    if (std::ranges::find(table.chains, chain.name, &Chain::name) == table.chains.end())
      delete_chain(batch_, table.name, Chain{.name = chain.name, .base = {}, .rules = {}, .where = {}});
  }
  fill_chains(batch_, table);
  return true;
}

void Change::remove_set(const std::string& table, const std::string& set) {
  delete_set(batch_, table, SetObject{.name = set, .addresses = {}, .ports = {}, .where = {}});
}

void Change::change_elements(const Table& table, const ElementChange& elements) {
  linux_nft::change_elements(batch_, table.name, elements);
}

void Change::toggle(const std::string& name, Activity activity) {
  toggle_table(batch_, name, activity);
  const auto table = std::ranges::find(state_.tables, name, &InstalledTable::name);
  if (table != state_.tables.end()) table->dormant = activity == Activity::dormant;
}

void Change::remove(const std::string& name) {
  delete_table(batch_, name);
  if (name == kGuardTable) state_.guard = state_.gate = state_.shield = false;
  // Last: the name may be that of the element.
  std::erase_if(state_.tables, [&name](const InstalledTable& table) { return table.name == name; });
}

void Change::add_guard_chain(const Chain& chain) {
  if (state_.find(guard_.table.name) == nullptr) {
    create_table(batch_, guard_.table, Activity::awake, author_);
    note(guard_.table, Activity::awake);
  }
  add_chain(batch_, guard_.table.name, chain);
  add_rules(batch_, guard_.table.name, chain);
}

void Change::raise_guard() {
  if (!state_.guard) add_guard_chain(guard_.closed);
  if (!state_.gate) add_guard_chain(guard_.gate);
  state_.guard = state_.gate = true;
}

void Change::raise_shield() {
  if (state_.shield) return;
  add_guard_chain(guard_.shield);
  state_.shield = true;
}

void Change::lower_guard() {
  if (!state_.guard && !state_.gate) return;
  if (!state_.shield) return remove(guard_.table.name);
  if (state_.guard) delete_chain(batch_, guard_.table.name, guard_.closed);
  if (state_.gate) delete_chain(batch_, guard_.table.name, guard_.gate);
  state_.guard = state_.gate = false;
}

void Change::lower_shield() {
  if (!state_.shield) return;
  if (!state_.guard && !state_.gate) return remove(guard_.table.name);
  delete_chain(batch_, guard_.table.name, guard_.shield);
  state_.shield = false;
}

}  // namespace ftfw::firewall::linux_nft
