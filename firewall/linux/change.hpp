// One step from what is installed to what shall be: adds the messages to a batch and keeps track of what will
// be installed when it is committed. The loader decides the steps and their order; this knows what each
// takes.
#pragma once

#include <cstddef>
#include <string>

#include "firewall/guard.hpp"
#include "firewall/linux/batch.hpp"
#include "firewall/linux/installed.hpp"
#include "firewall/linux/tables.hpp"

namespace ftfw::firewall::linux_nft {

class Change {
 public:
  // The three references outlive the change; `from` is copied.
  Change(Batch& batch, const Guard& guard, const Installed& from)
      : batch_(batch), guard_(guard), state_(from) {}

  const Installed& state() const { return state_; }
  bool placed_filter_table() const { return placed_filter_table_; }

  // The whole table, in the place of one that is there.
  void place(const Table& table, Activity activity, const CounterValues& carried);
  // The same in pieces: the table with its objects, then elements of its large sets, in the end the chains.
  void prepare(const Table& table, const CounterValues& carried);
  void add_elements(const Table& table, const SetObject& set, std::size_t from);
  void complete(const Table& table);
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
  bool placed_filter_table_ = false;
};

}  // namespace ftfw::firewall::linux_nft
