// What /proc/sys/net/netfilter says about connection tracking in this network namespace. Read once at the
// start by the replication thread (and the count whenever status asks); files only, never on the vrrp thread.
#pragma once

#include <cstdint>
#include <filesystem>

#include "appliance/base/result.hpp"
#include "sync/timeouts.hpp"

namespace ftfw::sync {

inline constexpr const char* kNetfilterSysctls = "/proc/sys/net/netfilter";

struct KernelFacts {
  NormalTimeouts timeouts;
  std::uint32_t conntrack_max = 0;  // of the machine, not of the namespace
  bool tracks_dccp = false;         // gone from recent kernels
  bool tracks_sctp = false;
  bool tracks_gre = false;
};

// Blame::system when connection tracking is not there at all. A single timeout that this kernel lacks keeps
// its default.
Result<KernelFacts> read_kernel_facts(const std::filesystem::path& folder = kNetfilterSysctls);

// Entries in the table now.
Result<std::uint32_t> read_conntrack_count(const std::filesystem::path& folder = kNetfilterSysctls);

}  // namespace ftfw::sync
