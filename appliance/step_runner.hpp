// Carries out the steps of the failover plans on the main thread: nftables transactions, virtual addresses,
// announcements. Steps that another thread does are posted to it. Decides nothing; each step's result goes back to the
// coordinator.
#pragma once

#include <optional>
#include <string>

#include "appliance/failover/coordinator.hpp"
#include "appliance/lease_thread.hpp"
#include "appliance/messages.hpp"
#include "config/model.hpp"
#include "firewall/linux/loader.hpp"
#include "firewall/ruleset.hpp"
#include "vrrp/linux/announcer.hpp"
#include "vrrp/linux/virtual_addresses.hpp"

namespace ftfw {

class StepRunner {
 public:
  struct Parts {
    const vrrp::Settings& election;
    const firewall::Ruleset& ruleset;
    firewall::Loader& loader;
    vrrp::VirtualAddresses& kernel_addresses;
    const std::vector<vrrp::VirtualAddress>& addresses;  // what the group has
    vrrp::Announcer& announcer;
    LeaseBook& lease;
    VrrpCommands& to_vrrp;
    ReplicationCommands& to_replication;
  };

  explicit StepRunner(Parts parts) : parts_(parts) {}

  // The result of a step that is done when this returns; nothing for `commit`, which replication answers.
  std::optional<failover::StepResult> run(const failover::RunStep& step);

  // One gratuitous ARP of every virtual address. An interface that refuses is named; the others are sent.
  Status announce();

  // What the rules are now, for status.
  const std::string& rules() const { return rules_; }

 private:
  Status activate_rules();
  Status lower_shield();
  Status standby_rules();
  Status add_addresses();
  Status remove_addresses();

  Parts parts_;
  std::string rules_ = "asleep behind the guard";
};

}  // namespace ftfw
