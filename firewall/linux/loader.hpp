// Moves the firewall of this machine between its states (README.md): absent, closed, standby, active with
// shield, active. Each public function is one step, done in one transaction wherever the kernel allows it, in
// the order that leaves no instant with forwarding open and no rules: the guard is there before anything else
// and goes after everything else. One object, one thread. Nothing is remembered that the kernel does not
// confirm: what we believe to be installed is tied to the generation, a batch is committed only in that
// generation, and a foreign change means looking again. Only tables that carry our mark are ever touched; a
// table of our name without it is a refusal.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <vector>

#include "appliance/base/result.hpp"
#include "appliance/base/time.hpp"
#include "firewall/guard.hpp"
#include "firewall/linux/change.hpp"
#include "firewall/linux/conversation.hpp"
#include "firewall/linux/installed.hpp"
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

class Loader {
 public:
  static Result<Loader> open(Guard guard);

  // Dry run of a flowtable on the loopback device.
  Result<Capabilities> probe();
  // Dry run of the whole load: everything that the kernel refuses, with its lines. Changes nothing, stops
  // nothing.
  std::expected<void, std::vector<Refusal>> check(const Ruleset& ruleset);

  // The guard alone, with its present virtual addresses; other tables stay as they are.
  LoadResult close();
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

  Result<Installed> read_back();

 private:
  enum class Next : std::uint8_t {
    commit,
    guard_first,  // the step needs the guard in the kernel, not only in its own batch
  };
  using Compose = std::function<std::expected<Next, std::vector<Refusal>>(linux_nft::Change&)>;

  Loader(linux_nft::Conversation conversation, Guard guard);
  LoadResult step(const Compose& compose);
  // What is installed, read again if the generation is not the one it was read in.
  Result<Installed> refresh();
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

  linux_nft::Conversation conversation_;
  Guard guard_;
  std::optional<Installed> known_;
};

}  // namespace ftfw::firewall
