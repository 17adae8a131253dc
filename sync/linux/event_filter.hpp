// Which of ctnetlink's events wake this program at all: a classic BPF on the event socket, which the kernel
// runs before it queues an event. Pure: settings in, program out.
//
// Invariant: what it drops is exactly part of what sync/filter.hpp would drop, so that nothing is lost that
// a compare of the tables or a full send would carry: events that the injector of this process caused, other
// protocols, flows whose original or reply source is an address of the pair, flows with an end in an excluded
// network, and TCP that nobody answered (a flood of SYNs then costs no wake-up). Whatever it cannot read it
// lets pass: an attribute that is not there, expectations, what is beyond the limits below.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "appliance/base/address.hpp"

namespace ftfw::sync {

struct EventFilterSettings {
  std::uint32_t ignore_port_id = 0;         // 0 ignores nobody
  std::vector<std::uint8_t> protocols;      // IPPROTO_* that pass; empty: all
  std::vector<IpAddress> local_addresses;   // sources that do not pass
  std::vector<IpPrefix> excluded_networks;  // original source, original destination, reply source
  bool unanswered_tcp = true;               // passes
};

// Of each family: the program stays below the kernel's 4096 instructions (BPF_MAXINSNS) and short to run. The
// rest is dropped by sync/filter.hpp.
inline constexpr std::size_t kMaxFilteredAddresses = 64;
inline constexpr std::size_t kMaxFilteredNetworks = 16;

// Empty: everything passes.
std::vector<sock_filter> event_filter(const EventFilterSettings& settings);

}  // namespace ftfw::sync
