// Carries out the steps of the failover plans on the main thread: nftables transactions, virtual addresses,
// announcements. Steps that another thread does are posted to it. Decides nothing; each step's result goes
// back to the coordinator.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "appliance/failover/coordinator.hpp"
#include "appliance/holdings.hpp"
#include "appliance/lease_thread.hpp"
#include "appliance/messages.hpp"
#include "config/model.hpp"
#include "firewall/linux/loader.hpp"
#include "firewall/ruleset.hpp"
#include "vrrp/linux/announcer.hpp"

namespace ftfw {

// All refusals in one line, each with its line of the configuration where it has one.
Status status_of(const firewall::LoadResult& result);

class StepRunner {
 public:
  struct Parts {
    const vrrp::Settings& election;
    const std::shared_ptr<const firewall::Ruleset>& ruleset;  // the one in force, whichever that is by then
    firewall::Loader& loader;
    // Whether something waits that goes before a load.
    std::function<bool()> interrupted;
    Holdings& holdings;
    vrrp::Announcer& announcer;
    LeaseBook& lease;
    Sender<VrrpCommand>& to_vrrp;
    Sender<ReplicationCommand>& to_replication;
  };

  explicit StepRunner(Parts parts) : parts_(parts) {}

  // The result of a step that is done when this returns; nothing for `commit`, which replication answers.
  std::optional<failover::StepResult> run(const failover::RunStep& step);

  // Tries again what failed in the last plan and must not stay so: addresses and routes of a node that is not
  // primary, rules that do not sleep, a shield that is still up, routes that a primary lacks. Call it while
  // no plan is under way.
  Status mend(failover::Role role);

  // One gratuitous ARP or neighbour advertisement of every virtual address. An interface that refuses is
  // named; the others are sent.
  Status announce();

  // What the last step made of the firewall, or tried to: what it shall be.
  firewall::Stance stance() const { return stance_; }

  // A load that gave way, or was refused, and is done again.
  bool rules_owed() const { return rules_remain_; }

  // What the rules are now, for status.
  const std::string& rules() const { return rules_; }

 private:
  Status activate_rules();
  Status lower_shield();
  Status standby_rules();
  Status add_addresses();
  Status remove_addresses();
  Status add_routes();
  Status remove_routes();

  Parts parts_;
  bool addresses_remain_ = false;
  bool routes_remain_ = false;
  bool routes_lack_ = false;
  bool rules_remain_ = false;
  bool shield_remains_ = false;
  firewall::Stance stance_ = firewall::Stance::standby;
  std::string rules_ = "asleep behind the guard";
};

}  // namespace ftfw
