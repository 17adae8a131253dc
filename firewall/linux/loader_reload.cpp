// From one ruleset to another while the machine is what it is: Loader::reload.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "firewall/linux/loader.hpp"
#include "firewall/linux/present.hpp"
#include "firewall/linux/sets.hpp"

namespace ftfw::firewall {

using linux_nft::Activity;
using linux_nft::Change;
using linux_nft::RuleHandles;

namespace {

bool names_rules(const ChainChange& chain) {
  const bool before =
      std::ranges::any_of(chain.added, [](const AddedRule& rule) { return rule.before.has_value(); });
  return chain.from != nullptr && chain.to != nullptr && !chain.remade && (before || !chain.removed.empty());
}

bool contains(const std::vector<const SetObject*>& sets, const std::string& name) {
  return std::ranges::any_of(sets, [&](const SetObject* set) { return set->name == name; });
}

}  // namespace

// What an interrupted reload left: nothing names it.
LoadResult Loader::remove_stray_sets() {
  if (stray_sets_.empty()) return Loaded{};
  const LoadResult removed = step([&](Change& change) -> Composed {
    for (const auto& [table, sets] : stray_sets_) {
      const InstalledTable* found = change.state().find(table);
      if (found == nullptr || !found->content || doubts_.contains(table)) continue;  // gone with its table
      for (const std::string& set : sets) change.remove_set(table, set);
    }
    return Next::commit;
  });
  if (removed) stray_sets_.clear();
  return removed;
}

// Large sets that are new, before the rules that name them.
LoadResult Loader::fill_new_sets(const RulesetChange& wanted, const std::function<bool()>& interrupted,
                                 std::map<std::string, std::set<std::string>>& ready) {
  Loaded all;
  for (const TableChange& table : wanted.tables) {
    for (const SetObject* set : table.sets_added) {
      // One of the same name that is of another type goes and comes in one transaction.
      if (!linux_nft::is_large(*set) || contains(table.sets_removed, set->name)) continue;
      bool there = false;
      const LoadResult begun = step([&](Change& change) -> Composed {
        there = is_installed(change.state(), *table.from);
        if (there) change.add_set(*table.to, *set);
        return Next::commit;
      });
      if (!begun) return begun;
      if (!there) continue;  // the table is placed whole
      stray_sets_[table.to->name].insert(set->name);
      for (std::size_t from = 0; from < set->size(); from += linux_nft::kElementsPerPiece) {
        all.interrupted = interrupted && interrupted();
        if (all.interrupted) return all;
        const LoadResult piece = step([&](Change& change) -> Composed {
          there = is_installed(change.state(), *table.from);
          if (there) change.add_elements(*table.to, *set, from);
          return Next::commit;
        });
        if (!piece) return piece;
        if (!there) break;
        all.longest = std::max(all.longest, piece->longest);
      }
      if (there) ready[table.to->name].insert(set->name);
    }
  }
  return all;
}

Loader::Composed Loader::update(Change& change, const TableChange& table,
                                const std::set<std::string>& ready) {
  RuleHandles handles;
  for (const ChainChange& chain : table.chains) {
    if (!names_rules(chain)) continue;
    auto read = linux_nft::read_rule_handles(conversation_, table.from->name, chain.from->name);
    if (!read && read.error().code == EINTR) return Next::look_again;
    if (!read || read->size() != chain.from->rules.size()) {
      const bool dormant = change.state().find(table.from->name)->dormant;
      const auto placed = place(change, *table.to, dormant ? Activity::dormant : Activity::awake);
      if (!placed) return std::unexpected(placed.error());
      return Next::commit;
    }
    handles.emplace(chain.from->name, *std::move(read));
  }
  change.update(table, handles, ready);
  return Next::commit;
}

Loader::Composed Loader::compose_reload(Change& change, const RulesetChange& wanted, Stance stance,
                                        const std::map<std::string, std::set<std::string>>& ready) {
  if (auto ours = refuse_foreign(*wanted.to, change.state()); !ours) return std::unexpected(ours.error());
  for (const std::string& name : leftovers(*wanted.to, change.state())) change.remove(name);
  for (const Table& table : *wanted.to) {
    const TableChange* difference = wanted.of(table.name);
    if (is_installed(change.state(), table)) continue;
    if (difference != nullptr && is_installed(change.state(), *difference->from)) {
      const auto filled = ready.find(table.name);
      const Composed done =
          update(change, *difference, filled == ready.end() ? std::set<std::string>{} : filled->second);
      if (!done || *done != Next::commit) return done;
      continue;
    }
    const bool standby = stance == Stance::standby;
    const bool waits = standby && table.kind == TableKind::nat && change.state().find(table.name) == nullptr;
    if (waits) continue;
    const bool sleeps = standby && table.kind == TableKind::filter;
    const auto placed = place(change, table, sleeps ? Activity::dormant : Activity::awake);
    if (!placed) return std::unexpected(placed.error());
  }
  return Next::commit;
}

LoadResult Loader::reload(const RulesetChange& change, Stance stance,
                          const std::function<bool()>& interrupted) {
  if (const LoadResult removed = remove_stray_sets(); !removed) return removed;
  std::map<std::string, std::set<std::string>> ready;
  const LoadResult filled = fill_new_sets(change, interrupted, ready);
  LoadResult loaded = filled;
  if (filled && !filled->interrupted) {
    loaded = step([&](Change& batch) { return compose_reload(batch, change, stance, ready); });
    if (loaded) {
      loaded->longest = std::max(loaded->longest, filled->longest);
      stray_sets_.clear();
    }
  }
  // A refused reload leaves everything as it was.
  if (!loaded) {
    if (const LoadResult removed = remove_stray_sets(); !removed) return removed;
  }
  return loaded;
}

}  // namespace ftfw::firewall
