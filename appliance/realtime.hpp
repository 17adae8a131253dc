// What the vrrp, lease and failover threads ask of the scheduler. Each call reports what was refused instead
// of failing: a machine that grants neither still runs, later, and the operator is told once.
#pragma once

#include "appliance/base/result.hpp"

namespace ftfw {

// SCHED_FIFO with SCHED_RESET_ON_FORK for the calling thread. Needs CAP_SYS_NICE or RLIMIT_RTPRIO.
Status use_realtime_scheduling(int priority);

// Pages are locked as they are touched (MCL_ONFAULT), so an advertisement never waits for the disk. Whole
// process.
Status lock_memory();

// Shows in ps, in nftables' notifications and in debuggers. At most 15 bytes.
void name_this_thread(const char* name);

inline constexpr int kVrrpPriority = 10;
inline constexpr int kLeasePriority = 9;
inline constexpr int kFailoverPriority = 8;

}  // namespace ftfw
