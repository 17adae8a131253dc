// One step from what is installed to what shall be: adds the messages to a batch and keeps track of what will
// be installed when it is committed. The loader decides the steps and their order; this knows what each
// takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "firewall/change.hpp"
#include "firewall/guard.hpp"
#include "firewall/linux/batch.hpp"
#include "firewall/linux/installed.hpp"
#include "firewall/linux/present.hpp"
#include "firewall/linux/sets.hpp"
#include "firewall/linux/tables.hpp"

namespace ftfw::firewall::linux_nft {

using RuleHandles = std::map<std::string, std::vector<std::uint64_t>>;

class Change {
 public:
  // The references outlive the change; `from` is copied. author: of the marks.
  Change(Batch& batch, const Guard& guard, const Installed& from, std::uint64_t author)
      : batch_(batch), guard_(guard), state_(from), author_(author) {}

  const Installed& state() const { return state_; }
  bool placed_filter_table() const { return placed_filter_table_; }
  // Tables that are what they should be once this is committed, whatever others had made of them.
  const std::set<std::string>& settled() const { return settled_; }

  // The whole table, in the place of one that is there.
  void place(const Table& table, Activity activity, const CounterValues& carried);
  // The same in pieces: the table with its objects, then elements of its large sets, in the end the chains.
  void prepare(const Table& table, const CounterValues& carried);
  void add_elements(const Table& table, const SetObject& set, std::size_t from);
  void complete(const Table& table);
  // Everything but the chains stays: these become those of the table, without what others added. present: the
  // chains that are there. False, and nothing was added: a chain is hooked elsewhere, so the table must be
  // placed anew.
  bool rewrite_chains(const Table& table, const std::vector<PresentChain>& present);
  // The elements of a set that is there become those of `set`.
  void change_elements(const Table& table, const ElementChange& elements);
  // The table is there and holds what change.from is; it becomes change.to. handles: of the rules of each
  // chain in which rules stay, by its name. ready: names of new sets that are there already, filled.
  void update(const TableChange& change, const RuleHandles& handles, const std::set<std::string>& ready);
  // A new set of a table that is there, before the rules that name it.
  void add_set(const Table& table, const SetObject& set) { add_empty_set(batch_, table.name, set); }
  // One that no rule names.
  void remove_set(const std::string& table, const std::string& set);
  // What others did to the table is undone.
  void settle(const Table& table) { settled_.insert(table.name); }
  void toggle(const std::string& name, Activity activity);
  void remove(const std::string& name);

  // Each does nothing if it is so already.
  void raise_guard();
  void lower_guard();
  void raise_shield();
  void lower_shield();

 private:
  void note(const Table& table, Activity activity);
  // A chain of the guard table; the table is made if it is not there.
  void add_guard_chain(const Chain& chain);

  Batch& batch_;
  const Guard& guard_;
  Installed state_;
  std::uint64_t author_;
  std::set<std::string> settled_;
  bool placed_filter_table_ = false;
};

}  // namespace ftfw::firewall::linux_nft
