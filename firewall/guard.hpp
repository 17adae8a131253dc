// The guard: what a machine that is not the primary does with packets. One table (inet ftfw_guard) with at
// most three chains, each there only while it is needed:
//   guard    prerouting, before conntrack: drops what is for a virtual address and what is not for this
//   machine gate     forward: drops everything. Only packets that were past prerouting when the guard came
//   get there shield   input, after conntrack and NAT: while a takeover commits flows, drops packets to a
//   virtual address
//            that belong to no known flow, so that our own stack answers nothing (an RST would kill a flow
//            still coming)
// Invariant: traffic from and to the node's own addresses (VRRP, replication, ssh) passes all of them.
#pragma once

#include "config/model.hpp"
#include "firewall/ruleset.hpp"

namespace ftfw::firewall {

inline constexpr const char* kGuardTable = "ftfw_guard";
inline constexpr const char* kGuardChain = "guard";
inline constexpr const char* kGateChain = "gate";
inline constexpr const char* kShieldChain = "shield";

// The chains of the table; the table itself has nothing else.
struct Guard {
  Table table;   // without chains
  Chain closed;  // kGuardChain
  Chain gate;    // kGateChain; comes and goes with it
  Chain shield;  // kShieldChain
};

// The virtual addresses are those of all routers of the configuration's group.
Guard build_guard(const config::Config& config);

}  // namespace ftfw::firewall
