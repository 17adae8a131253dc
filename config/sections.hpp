// The parts of load(): one reader per section of the file, then the rules that tie sections together.
// Internal to config/; everyone else includes config/load.hpp. A reader never stops early: what it cannot
// read keeps its default, with a Location of line 0, and the rules leave such values alone.
#pragma once

#include "appliance/base/time.hpp"
#include "config/diagnostic.hpp"
#include "config/load.hpp"
#include "config/model.hpp"
#include "config/reader.hpp"

namespace ftfw::config {

std::vector<Node> read_nodes(Section& root);
Vrrp read_vrrp(Section& root);
SyncGroup read_sync_group(Section& root);
VirtualRouter read_virtual_router(Section& section);
// [[sync_group.track_interface]], track_file and route, appended to the group.
void read_tracking(Section& section, SyncGroup& group);
void read_routes(Section& section, SyncGroup& group);
Replication read_replication(Section& root, const std::vector<Node>& nodes);
// The keys of [replication] about which flows travel and how fast.
void read_travel(Section& section, Replication& replication);
Firewall read_firewall(Section& root, const ReadFile& read_file);

// An address that a machine can have: not unspecified, loopback, multicast or broadcast. Says why not.
bool check_usable(const IpAddress& address, const Value& value);
// A prefix to match packets with: no bits behind its length.
bool check_host_bits(const IpPrefix& prefix, const Value& value);
// The prefix with those bits cleared.
IpPrefix network_of(const IpPrefix& prefix);
// An address of a virtual router, advertised or excluded.
bool is_virtual(const IpAddress& address, const SyncGroup& group);

// A link that came up is waited for no longer than this.
inline constexpr Duration kMaxUpDelay = 1h;
// RFC 9568 5.2.7: 12 bits, centiseconds.
inline constexpr Duration kMaxIntervalV3 = 4095 * Duration(10ms);

// Rules between nodes, virtual routers and the dedicated link; between virtual addresses; of what is tracked
// and routed; between the firewall's objects and its rules.
void check_group(const Config& config, DiagnosticList& diagnostics);
void check_addresses(const Config& config, DiagnosticList& diagnostics);
void check_tracking(const Config& config, DiagnosticList& diagnostics);
void check_firewall(const Config& config, DiagnosticList& diagnostics);

}  // namespace ftfw::config
