// Whether this kernel keeps the helper of a flow that is injected together with its translation. Before
// d1ca60efc53d ("netfilter: ctnetlink: disable helper autoassign") it threw the helper away while it set up
// NAT, and then no FTP data connection is expected any more after a takeover. Fixed in 5.10.101, 5.15.24,
// 5.16.10 and 5.17. Asked of the kernel itself, because distributions patch kernels without telling by their
// number.
//
// A flow between addresses for documentation (192.0.2.0/24, RFC 5737), which no packet has, is injected, read
// back and removed. Its timeout removes it where the process dies in between, and the next probe removes what
// it finds. Called once at the start, before events are captured; some microseconds, and once the loading of
// the helper's module.
#pragma once

#include <cstdint>
#include <string>

#include "appliance/base/result.hpp"
#include "sync/conntrack_entry.hpp"

namespace ftfw::sync {

enum class HelperFate : std::uint8_t { kept, lost };

// The flow of the probe.
ConntrackEntry helper_probe_entry(const std::string& helper, std::uint8_t protocol);
// What became of the helper, by what the kernel says about that flow.
HelperFate helper_fate(const ConntrackEntry& read_back, const std::string& helper);

// helper: the kernel's name, "ftp". Blame::kernel with errno: it refuses the flow (EOPNOTSUPP: it has no such
// helper for the protocol), or its table is full.
Result<HelperFate> probe_helper(const std::string& helper, std::uint8_t protocol);

// For the operator; release is uname's.
std::string helper_loss_text(const std::string& helper, const std::string& release);

}  // namespace ftfw::sync
