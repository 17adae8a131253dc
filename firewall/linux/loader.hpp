// Moves the firewall of this machine between its states (README.md): absent, closed, standby, active with
// shield, active. Each public function is one step, done in one transaction wherever the kernel allows it, in
// the order that leaves no instant with forwarding open and no rules: the guard is there before anything else
// and goes after everything else. One object, one thread. Nothing is remembered that the kernel does not
// confirm: what we believe to be installed is tied to the generation, a batch is committed only in that
// generation, and a foreign change means looking again. Only tables that carry our mark are ever touched, or
// that somebody put in the place of one that this loader had made; any other table of our name is a refusal.
// A table that another run made, or that others have changed (distrust), is never taken for what it says.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "appliance/base/result.hpp"
#include "appliance/base/time.hpp"
#include "firewall/change.hpp"
#include "firewall/guard.hpp"
#include "firewall/linux/change.hpp"
#include "firewall/linux/conversation.hpp"
#include "firewall/linux/installed.hpp"
#include "firewall/linux/watch.hpp"
#include "firewall/policy.hpp"

namespace ftfw::firewall {

struct Loaded {
  std::uint32_t genid = 0;   // the generation that the step made, or found if there was nothing to do
  Duration in_kernel{};      // the send call of the step's batch
  bool full_load = false;    // filter tables were loaded, not only woken or put to sleep
  Duration longest{};        // of the transactions of a step in pieces; else the same as in_kernel
  bool interrupted = false;  // between two pieces: nothing of the step is of use yet
};

using LoadResult = std::expected<Loaded, std::vector<Refusal>>;

// What the firewall shall be, whatever it is (README.md, States).
enum class Stance : std::uint8_t { standby, shielded, active };

// ---- what the files of the loader share

std::vector<Refusal> refusals_of(const Error& error);
bool goes_in_pieces(const Table& table);
// Ours, from a configuration that had tables which this one has not.
std::vector<std::string> leftovers(const Ruleset& ruleset, const Installed& installed);

class Loader {
 public:
  static Result<Loader> open(Guard guard);

  // Dry run of a flowtable on the loopback device.
  Result<Capabilities> probe();
  // Dry run of the whole load but the elements of large sets: everything that the kernel refuses, with its
  // lines, and circles of chains, which it would not find. Changes nothing, stops nothing.
  std::expected<void, std::vector<Refusal>> check(const Ruleset& ruleset);

  // The guard alone, with its present virtual addresses; other tables stay as they are.
  LoadResult close();
  // From the next step on that raises guard or shield: close() for one that stands.
  void use_guard(Guard guard) { guard_ = std::move(guard); }
  // Loads everything anew behind the guard, filter tables dormant; named counters keep their values. A NAT
  // table that is there with the same content is not touched; one that is not there waits for the first
  // activation.
  // Large sets go in pieces, so that no transaction holds up others for long; before each piece `interrupted`
  // is asked, and true ends the step. What is there then is not taken for a firewall: activate() loads it
  // anew.
  LoadResult stand_by(const Ruleset& ruleset, const std::function<bool()>& interrupted = {});
  // Wakes the filter tables, or loads what is not there or not of this ruleset, and takes the guard away
  // last.
  LoadResult activate(const Ruleset& ruleset, bool shield);
  LoadResult lower_shield();
  // Guard up, filter tables dormant, in one transaction.
  LoadResult sleep();
  // Removes all tables of ours: the machine forwards whatever the kernel and others let pass.
  LoadResult remove_everything();

  // From the ruleset that is loaded to another one, in this stance, in one transaction; what does not change
  // is not touched. New large sets are filled before it, in pieces: `interrupted` as in stand_by(); the
  // former ruleset is then still there, and can be woken.
  LoadResult reload(const RulesetChange& change, Stance stance,
                    const std::function<bool()>& interrupted = {});

  // ---- changes by others (loader_repair.cpp)

  // Of a foreign commit what concerns the guard, the ruleset or anything else that this loader made.
  TouchedTables ours(const ForeignCommit& commit, const Ruleset& ruleset) const;
  // From now on these tables are not what they should be, until a step has placed or repaired them.
  void distrust(const ForeignCommit& commit, const Ruleset& ruleset);
  void distrust_everything(const Ruleset& ruleset);
  bool in_doubt() const { return !doubts_.empty(); }
  // Makes the machine what `stance` says again: the guard first, changed rules and elements in their place,
  // missing tables anew.
  LoadResult restore(const Ruleset& ruleset, Stance stance, const std::function<bool()>& interrupted = {});

  // By which a watch knows our commits.
  std::uint32_t port_id() const { return conversation_.port_id(); }

  Result<Installed> read_back();

 private:
  // What the kernel holds of ours, as this loader made it.
  struct Held {
    linux_nft::Mark mark;
    std::uint64_t content = 0;  // Table::digest: later than the mark's if the table was changed in its place
  };
  enum class Fate : std::uint8_t { sound, amend, place };
  enum class Next : std::uint8_t {
    commit,
    guard_first,  // the step needs the guard in the kernel, not only in its own batch
    look_again,   // somebody committed while the step was reading
  };
  using Composed = std::expected<Next, std::vector<Refusal>>;
  using Compose = std::function<Composed(linux_nft::Change&)>;

  Loader(linux_nft::Conversation conversation, Guard guard, std::uint64_t author);
  LoadResult step(const Compose& compose);
  // What is installed, read again if the generation is not the one it was read in.
  Result<Installed> refresh();
  void committed(const linux_nft::Change& change, std::uint32_t genid);
  // With all that the table says, and nothing that others did to it.
  bool is_installed(const Installed& installed, const Table& table) const;
  // Prepared, and nobody has touched it since.
  bool is_prepared(const Installed& installed, const Table& table) const;
  std::expected<linux_nft::CounterValues, std::vector<Refusal>> carried_counters(const Installed& installed,
                                                                                 const Table& table);
  std::expected<void, std::vector<Refusal>> place(linux_nft::Change& change, const Table& table,
                                                  linux_nft::Activity activity);
  // Tables of the ruleset that have large sets, prepared up to their chains. Their names; empty where there
  // is none.
  LoadResult prepare_large(const Ruleset& ruleset, const std::function<bool()>& interrupted,
                           std::vector<std::string>& prepared);
  LoadResult load_elements(const Table& table, const std::function<bool()>& interrupted);
  std::expected<void, std::vector<Refusal>> refuse_foreign(const Ruleset& ruleset,
                                                           const Installed& installed) const;

  // reload
  LoadResult fill_new_sets(const RulesetChange& change, const std::function<bool()>& interrupted,
                           std::map<std::string, std::set<std::string>>& ready);
  LoadResult remove_stray_sets();
  Composed compose_reload(linux_nft::Change& change, const RulesetChange& wanted, Stance stance,
                          const std::map<std::string, std::set<std::string>>& ready);
  Composed update(linux_nft::Change& change, const TableChange& table, const std::set<std::string>& ready);
  // restore
  LoadResult make_sound(const Ruleset& ruleset, Stance stance, const std::function<bool()>& interrupted);
  Fate fate_of(const Installed& installed, const Table& table, Stance stance) const;
  Composed amend(linux_nft::Change& change, const Table& table, Stance stance);

  linux_nft::Conversation conversation_;
  Guard guard_;
  std::uint64_t author_;
  std::optional<Installed> known_;
  std::map<std::string, Held> held_;
  std::set<std::string> made_;  // names that are ours while this run lasts
  TouchedTables doubts_;
  std::map<std::string, std::uint32_t> settled_;  // the generation that made the table what it should be
  // New sets of a reload that did not come to its end, by table.
  std::map<std::string, std::set<std::string>> stray_sets_;
};

}  // namespace ftfw::firewall
