// The parts of load(): one reader per section of the file, then the rules that tie sections together.
// Internal to config/; everyone else includes config/load.hpp. A reader never stops early: what it cannot
// read keeps its default, with a Location of line 0, and the rules leave such values alone.
#pragma once

#include "config/diagnostic.hpp"
#include "config/model.hpp"
#include "config/reader.hpp"

namespace ftfw::config {

std::vector<Node> read_nodes(Section& root);
Vrrp read_vrrp(Section& root);
SyncGroup read_sync_group(Section& root);
Replication read_replication(Section& root, const std::vector<Node>& nodes);
Firewall read_firewall(Section& root);
// [[firewall.allow]] and [[firewall.snat]]; `inside` is the default of `from`.
std::vector<Allow> read_allows(Section& firewall, const std::string& inside);
std::vector<SourceNat> read_snats(Section& firewall);

// An address that a machine can have: not unspecified, loopback, multicast or broadcast. Says why not.
bool check_usable(const IpAddress& address, const Value& value);
// A prefix to match packets with: no bits behind its length.
bool check_host_bits(const IpPrefix& prefix, const Value& value);
// The prefix with those bits cleared.
IpPrefix network_of(const IpPrefix& prefix);

// Rules between nodes, virtual routers and addresses; then between the firewall's objects and its rules.
void check_group(const Config& config, DiagnosticList& diagnostics);
void check_firewall(const Config& config, DiagnosticList& diagnostics);

}  // namespace ftfw::config
