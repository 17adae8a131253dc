// Changes by others: what they concern, and how the machine becomes again what it shall be.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "firewall/linux/loader.hpp"
#include "firewall/linux/present.hpp"

namespace ftfw::firewall {

using linux_nft::Activity;
using linux_nft::Change;

namespace {

// Generations count on and wrap.
bool is_later(std::uint32_t generation, std::uint32_t than) {
  return static_cast<std::int32_t>(generation - than) > 0;
}

bool shall_sleep(const Table& table, Stance stance) {
  return stance == Stance::standby && table.kind == TableKind::filter;
}

}  // namespace

TouchedTables Loader::ours(const ForeignCommit& commit, const Ruleset& ruleset) const {
  TouchedTables tables;
  for (const auto& [name, touched] : commit.tables) {
    const bool wanted = std::ranges::find(ruleset, name, &Table::name) != ruleset.end();
    if (wanted || name == guard_.table.name || made_.contains(name)) tables.emplace(name, touched);
  }
  return tables;
}

void Loader::distrust(const ForeignCommit& commit, const Ruleset& ruleset) {
  for (const auto& [name, touched] : ours(commit, ruleset)) {
    // A step that looked at the tables after that commit has dealt with it.
    const auto settled = settled_.find(name);
    if (settled != settled_.end() && !is_later(commit.genid, settled->second)) continue;
    doubts_[name].merge(touched);
  }
}

void Loader::distrust_everything(const Ruleset& ruleset) {
  doubts_[guard_.table.name].objects = true;
  for (const Table& table : ruleset) doubts_[table.name].objects = true;
}

Loader::Fate Loader::fate_of(const Installed& installed, const Table& table, Stance stance) const {
  const InstalledTable* found = installed.find(table.name);
  // A NAT table waits for the first activation.
  if (found == nullptr && table.kind == TableKind::nat && stance == Stance::standby) return Fate::sound;
  if (found == nullptr || found->content != table.digest) return Fate::place;
  const auto doubt = doubts_.find(table.name);
  if (doubt != doubts_.end()) return doubt->second.objects ? Fate::place : Fate::amend;
  if (!found->complete) return Fate::place;
  return found->dormant == shall_sleep(table, stance) ? Fate::sound : Fate::amend;
}

// The rules and elements that others changed, and whether the table sleeps.
Loader::Composed Loader::amend(Change& change, const Table& table, Stance stance) {
  const auto doubt = doubts_.find(table.name);
  const Touched touched = doubt == doubts_.end() ? Touched{} : doubt->second;
  const Activity activity = shall_sleep(table, stance) ? Activity::dormant : Activity::awake;
  const bool toggle = change.state().find(table.name)->dormant != (activity == Activity::dormant);
  const auto failed = [](const Error& error) -> Composed {
    if (error.code == EINTR) return Next::look_again;
    return std::unexpected(refusals_of(error));
  };
  const auto anew = [&]() -> Composed {
    if (const auto placed = place(change, table, activity); !placed) return std::unexpected(placed.error());
    return Next::commit;
  };
  // Before anything is added: what cannot be amended is placed anew. A table of which base chains are
  // messages in the same batch is not toggled (EINVAL).
  std::vector<ElementChange> elements;
  for (const std::string& name : touched.elements) {
    const auto set = std::ranges::find(table.sets, name, &SetObject::name);
    if (set == table.sets.end()) continue;
    const auto present = linux_nft::read_elements(conversation_, table.name, *set);
    if (!present) return failed(present.error());
    if (!*present) return anew();
    elements.push_back(compare_elements(**present, *set));
  }
  if (touched.chains) {
    const auto present = linux_nft::read_chains(conversation_, table.name);
    if (!present) return failed(present.error());
    if (toggle || !change.rewrite_chains(table, *present)) return anew();
  }
  for (const ElementChange& one : elements) change.change_elements(table, one);
  if (toggle) change.toggle(table.name, activity);
  change.settle(table);
  return Next::commit;
}

LoadResult Loader::restore(const Ruleset& ruleset, Stance stance, const std::function<bool()>& interrupted) {
  LoadResult restored = make_sound(ruleset, stance, interrupted);
  // Also those of tables that need not be there.
  if (restored && !restored->interrupted) doubts_.clear();
  return restored;
}

LoadResult Loader::make_sound(const Ruleset& ruleset, Stance stance,
                              const std::function<bool()>& interrupted) {
  const auto installed = refresh();
  if (!installed) return std::unexpected(refusals_of(installed.error()));
  const bool standby = stance == Stance::standby;
  const auto is_missing = [&](const Table& table) {
    return fate_of(*installed, table, stance) == Fate::place;
  };
  const bool missing = std::ranges::any_of(ruleset, is_missing);
  const bool guard_changed = doubts_.contains(guard_.table.name);
  // The guard on its own and first: nothing is forwarded from here on until the rules are there.
  if (standby ? guard_changed || !installed->closed() : missing) {
    if (const LoadResult closed = close(); !closed) return closed;
  }
  if (missing && standby) return stand_by(ruleset, interrupted);
  if (missing) {
    const bool in_pieces = std::ranges::any_of(
        ruleset, [&](const Table& table) { return is_missing(table) && goes_in_pieces(table); });
    if (in_pieces) {
      const LoadResult loaded = stand_by(ruleset, interrupted);
      if (!loaded || loaded->interrupted) return loaded;
    }
    return activate(ruleset, stance == Stance::shielded);
  }
  return step([&](Change& change) -> Composed {
    if (auto foreign = refuse_foreign(ruleset, change.state()); !foreign)
      return std::unexpected(foreign.error());
    for (const Table& table : ruleset) {
      Composed done = Next::commit;
      switch (fate_of(change.state(), table, stance)) {
        case Fate::sound:
          break;
        case Fate::amend:
          done = amend(change, table, stance);
          break;
        case Fate::place:  // somebody was here since we looked
          done = Next::look_again;
          break;
      }
      if (!done || *done != Next::commit) return done;
    }
    if (standby) return Next::commit;
    if (doubts_.contains(guard_.table.name) && change.state().find(guard_.table.name) != nullptr)
      change.remove(guard_.table.name);
    if (stance == Stance::shielded) change.raise_shield();
    return Next::commit;
  });
}

}  // namespace ftfw::firewall
