// What the replication engine is told once, with the normal timeouts it settles parked entries to. Values
// only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/time.hpp"
#include "sync/conntrack_entry.hpp"
#include "sync/timeouts.hpp"

namespace ftfw::sync {

struct Settings {
  std::string node;                     // our name; a hello that carries it is a reflection
  std::vector<std::string> peers;       // the other nodes, and nobody else is listened to
  std::vector<std::uint8_t> protocols;  // IPPROTO_* to replicate; empty: all
  // Own and virtual addresses of all nodes, those of the dedicated link included: their flows are local.
  std::vector<IpAddress> local_addresses;
  // Flows with an end in one of these do not travel: original source or destination, or reply source.
  std::vector<IpPrefix> excluded_networks;
  // TCP states whose flows travel; empty: all from the first reply on, that is all but SYN_SENT.
  std::vector<TcpState> tcp_states;
  // A flow is sent when it is that old; one that ends before is never sent.
  Duration minimum_age{};
  bool expectations = true;
  Duration parked_timeout = 24h;
  Duration compare_interval = 60s;
  // The periodic compare of an undisturbed pair reads its tables no faster than this (about 2 us an entry: a
  // fifth of a core while it runs) and sends what differs no faster than the other. What somebody waits for,
  // as after an overrun, is not paced.
  std::uint32_t compare_entries_per_second = 100'000;
  std::uint32_t repair_entries_per_second = 20'000;
  NormalTimeouts normal_timeouts;
  // How often a primary says that it is one, while nothing changes: its peers believe it for one
  // advertisement interval.
  Duration primary_beat = 100ms;
  // As replica the flows stand in a FlowCache of at most so many entries, and not in the kernel.
  bool cache = false;
  std::size_t cache_entries = std::size_t{1} << 24;
};

}  // namespace ftfw::sync
