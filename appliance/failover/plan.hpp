// The failover plans as data: which steps a change of role takes, in which order, how long one may take and
// what happens when one fails. The order is the product (decision 0001) and is pinned by a test; the code
// that walks it is coordinator.hpp. Pure values, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "appliance/base/time.hpp"

namespace ftfw::failover {

// The role of the whole appliance, what an operator sees.
enum class Role : std::uint8_t { starting, backup, primary, fault };

enum class Step : std::uint8_t {
  activate_rules,    // wake the filter tables, lift the guard, raise the shield: one nftables transaction
  commit,            // everything received from the old source is in this kernel
  add_addresses,     // virtual addresses, with their lease
  add_routes,        // virtual routes; passed over where none is configured
  announce,          // first gratuitous ARP of every address
  become_source,     // this kernel's table is now the one that is replicated
  lower_shield,      // once the commit is finished
  remove_addresses,  // virtual addresses and their lease
  release_claim,     // priority 0 on every leg; no new claim
  await_peer,        // keep forwarding until the other node is heard as Active
  standby_rules,     // guard up, filter tables asleep: nothing is forwarded
  remove_routes,     // virtual routes: after the rules, what is forwarded until then needs them
  become_replica,
};

enum class Transition : std::uint8_t {
  stand_by,   // from the start to backup: closed, but addresses that a former run left stay for their lease
  take_over,  // to primary
  hand_over,  // to backup on purpose: SIGTERM, switchover
  give_way,   // to backup by a lost election or own lateness
  fault,      // a leg is lost: the election has already sent priority 0 on the living ones
  withdraw,   // this node became primary in the election but cannot carry it out
};

enum class OnFailure : std::uint8_t {
  go_on,     // alarm, then the next step
  withdraw,  // alarm, then the withdraw plan: a node that cannot filter or hold the addresses must not be
             // primary
};

struct PlannedStep {
  Step step;
  OnFailure on_failure = OnFailure::go_on;
};

std::span<const PlannedStep> steps_of(Transition transition);

std::string_view name_of(Role role);
std::string_view name_of(Step step);
std::string_view name_of(Transition transition);

// Time limits of the steps that wait for somebody else. All others are calls that return.
struct Budgets {
  Duration commit = 200ms;     // then the plan goes on under the shield
  Duration shield = 5s;        // then the shield is lowered although the commit is not finished
  Duration await_peer = 4s;    // at most one down interval; SIGTERM is bounded by 5 s in all
  Duration retry_claim = 10s;  // after a withdrawal; doubled by each further one in a row
  Duration retry_claim_limit = 10min;
};

}  // namespace ftfw::failover
