// The [firewall] sections as immutable typed values, part of config::Config (model.hpp). A rule keeps the
// lists of the file: which nft rules they become is firewall/'s business. Source: the key reference in
// config/README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "config/location.hpp"
#include "config/ranges.hpp"

namespace ftfw::config {

// ---- [firewall]: groups -------------------------------------------------------------------------

enum class GroupType { hosts, networks, ports };

// A named set. Merged: sorted, nothing overlaps.
struct Group {
  std::string name;
  GroupType type = GroupType::hosts;
  std::vector<AddressRange> addresses;  // of both families; hosts: each a single address
  std::vector<PortRange> ports;         // with type ports only
  Location where;
};

struct GroupUse {
  std::string name;
  Location where;
};

// ---- [firewall]: what packets a rule is about ---------------------------------------------------

// Any of the ranges or any member of the groups; nothing at all: every address.
struct AddressSet {
  std::vector<AddressRange> ranges;  // merged, of both families
  std::vector<GroupUse> groups;
  Location where;

  bool is_any() const { return ranges.empty() && groups.empty(); }
};

struct PortSet {
  std::vector<PortRange> ranges;  // merged
  std::vector<GroupUse> groups;
  Location where;

  bool is_any() const { return ranges.empty() && groups.empty(); }
};

struct NamedInterface {
  std::string name;
  Location where;  // 0: a default
};

// Which packets: all that is set must match, each list by any of its elements; an empty list matches
// everything.
struct Match {
  std::vector<NamedInterface> from;  // where they come in
  std::vector<NamedInterface> to;    // where they leave
  AddressSet source;
  AddressSet destination;
  std::vector<std::uint8_t> protocols;
  PortSet source_ports;                    // of the protocols that have ports, like `ports`
  PortSet ports;                           // destination
  std::vector<std::uint8_t> icmp_types;    // of ICMP
  std::vector<std::uint8_t> icmpv6_types;  // of ICMPv6
};

// The bits of `mask` must be those of `value` (RFC 9293 3.1, the flags' byte).
struct TcpFlags {
  std::uint8_t value = 0;
  std::uint8_t mask = 0;
};

struct Mark {
  std::uint32_t value = 0;
  std::uint32_t mask = 0xffffffff;
};

struct ConnectionStates {
  bool fresh = false;  // "new"
  bool established = false;
  bool related = false;
  bool invalid = false;
  bool untracked = false;
};

struct RateLimit {
  std::uint64_t packets = 0;
  std::uint64_t per_seconds = 1;  // 1, 60, 3600, 86400
  std::uint32_t burst = 5;        // nft's default
  bool over = false;              // matches what exceeds the rate instead of what keeps to it
};

// As in syslog(3): 0 is emergency.
enum class LogLevel : std::uint8_t { emerg, alert, crit, err, warn, notice, info, debug };

struct Log {
  std::string prefix;  // 127 bytes at most
  LogLevel level = LogLevel::warn;
  std::optional<RateLimit> limit;  // of the log alone; the verdict holds for all packets
  Location where;
};

// ---- [firewall]: rules --------------------------------------------------------------------------

enum class ForwardPolicy { accept, drop };

// Where the rules on established flows stand: behind the rules, or before them.
enum class EstablishedPlace { last, first };

enum class Verdict { allow, deny, reject };

enum class RejectWith {
  automatic,
  tcp_reset,
  port_unreachable,
  host_unreachable,
  no_route,
  admin_prohibited
};

// [[firewall.allow]], [[firewall.deny]], [[firewall.reject]] and [[firewall.service]].
struct PolicyRule {
  Verdict verdict = Verdict::allow;
  Match match;
  std::string helper;  // kernel helper name: its related flows
  std::optional<TcpFlags> tcp_flags;
  std::optional<Mark> mark;             // of the packet
  std::optional<Mark> connection_mark;  // of the flow
  std::optional<ConnectionStates> states;
  std::optional<RateLimit> limit;
  std::optional<Log> log;
  std::string counter;    // name of a [[firewall.counter]]; empty: none
  std::string flowtable;  // allow only: whose flows take its fast path
  RejectWith reject_with = RejectWith::automatic;
  std::string comment;  // 127 bytes at most
  Location where;
  Location helper_where;
  Location counter_where;
  Location flowtable_where;
};

// ct helper object plus the rule that assigns it.
struct Helper {
  std::string name;
  std::string type;           // the kernel's helper name: "ftp"
  std::uint8_t protocol = 6;  // IPPROTO_*
  std::uint16_t port = 0;
  std::optional<IpPrefix> server;  // none: any
  Location where;
};

struct Counter {
  std::string name;
  Location where;
};

enum class FlowtableMode { automatic, require, off };

// Which established flows take the fast path: those that a helper expected, all, or those of the rules that
// name the flowtable.
enum class FlowSelection { expected, established, rules };

struct Flowtable {
  std::string name;
  std::vector<std::string> devices;
  FlowSelection flows = FlowSelection::expected;
  std::string counter;  // empty: none
  FlowtableMode mode = FlowtableMode::automatic;
  Location where;
  std::vector<Location> devices_where;  // one per device
  Location counter_where;
};

// ---- [firewall]: address translation ------------------------------------------------------------

// [[firewall.snat]] and [[firewall.masquerade]]: match.to is where the packets leave.
struct SourceNat {
  Match match;
  bool masquerade = false;         // to the address of the interface
  std::optional<AddressRange> to;  // none with masquerade
  std::optional<PortRange> to_ports;
  std::string comment;
  Location where;
  Location to_where;
};

// [[firewall.dnat]] and [[firewall.redirect]]: match.from is where the packets come in.
struct DestinationNat {
  Match match;
  std::optional<AddressRange> to;  // none: redirect, this machine
  std::optional<PortRange> to_ports;
  bool allow = true;  // the translated flows are allowed at this place among the rules
  std::string comment;
  Location where;
  Location to_where;
};

// ---- [firewall.input] ---------------------------------------------------------------------------

enum class ReversePath { off, loose, strict };

// The protection of the firewall itself.
struct Input {
  bool drop_invalid = true;
  ReversePath reverse_path = ReversePath::off;
  std::optional<RateLimit> syn_limit;  // new TCP connections to services
  std::optional<RateLimit> ping = RateLimit{.packets = 10, .per_seconds = 1};  // none: no answer
  std::optional<Log> log;  // of what is dropped in the end
  Location where;
  Location reverse_path_where;
};

// ---- [firewall] ---------------------------------------------------------------------------------

struct Firewall {
  ForwardPolicy forward_policy = ForwardPolicy::drop;
  EstablishedPlace established = EstablishedPlace::last;
  bool count_rules = false;  // every rule that decides has a counter of its own
  bool repair = true;        // what other programs change in our tables is undone
  std::string inside;        // interface
  Location inside_where;
  std::string outside;  // interface
  Location outside_where;
  std::vector<Group> groups;
  std::vector<Helper> helpers;
  std::vector<Counter> counters;
  std::vector<Flowtable> flowtables;
  std::vector<PolicyRule> rules;  // in the order of the file, whatever their verdicts
  std::string log_invalid;        // log prefix for invalid packets; empty: no log
  Location log_where;
  std::vector<SourceNat> snats;  // in the order of the file, like the next
  std::vector<DestinationNat> dnats;
  std::optional<Input> input;        // none: not protected by us
  std::vector<PolicyRule> services;  // what is open on the firewall itself
};

}  // namespace ftfw::config
