// A firewall's whole connection tracking table, of every protocol and both families, as the kernel's own
// messages: what the comparison of both firewalls after the tests with faults rests on. Two entries are equal
// if all that a kernel lets another program write is equal, raw status bits included; timeouts, counters and
// TCP flags aside. A reader of its own: nothing of the product is used. Some 2 us an entry.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <unordered_map>

#include "tests/netns/lab/lab.hpp"

namespace ftfw::lab {

struct KernelTable {
  // By original tuple and zone (the kernel's bytes): the whole message.
  std::unordered_map<std::string, std::string> flows;
  std::unordered_map<std::string, std::string> expectations;
};

struct Compared {
  std::set<std::uint8_t> protocols;  // IPPROTO_*; empty: all
  // False where a flow may have been made anew under the same tuple while events were lost: the replica then
  // keeps the older one's scales, which nobody uses, because a replica checks no windows.
  bool window_scales = true;
};

// Without the pair's own flows (original source or reply source is an address of theirs), without TCP that
// was never answered (it is not replicated), and without other protocols than these.
KernelTable kernel_table(const Lab& lab, Node node, const Compared& compared = {});

// The number of entries of all kinds, as the kernel counts.
std::size_t count_flows(const Lab& lab, Node node);

// Empty if equal; otherwise the first few differences in the words of conntrack(8), with the raw status.
std::string difference(const KernelTable& first, const KernelTable& second);

// Waits until both firewalls hold the same, and fw-1 at least this many. Empty, or what differs at the end.
std::string wait_equal_kernels(const Lab& lab, std::size_t at_least, Duration at_most,
                               const Compared& compared = {});

}  // namespace ftfw::lab
