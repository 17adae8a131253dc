// A ruleset as values: tables, objects, chains and rules, each rule a list of typed expressions in the order
// in which nft writes them. The listing (listing.hpp) and the libnftnl builder (linux/) walk the same values,
// so what is printed is what is loaded. Plain data, owned by whoever built it, shared read-only between
// threads. Invariants: element lists are sorted and without duplicates (as the kernel's sets and nft's
// listing are); addresses of one expression are of one family; a chain stands before the chains that go to
// it. Every table is of the family inet. Words: nft(8).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "appliance/base/address.hpp"
#include "config/model.hpp"

namespace ftfw::firewall {

using config::AddressRange;
using config::Location;
using config::PortRange;

enum class Side : std::uint8_t { source, destination };
enum class Traffic : std::uint8_t { in, out };
enum class Direction : std::uint8_t { original, reply };  // IP_CT_DIR_*
enum class Hook : std::uint8_t { prerouting, input, forward, output, postrouting };
enum class ChainType : std::uint8_t { filter, nat };
enum class Policy : std::uint8_t { drop, accept };

// ---- matches -----------------------------------------------------------------------------------

// iifname "eth0", oifname { "eth0", "eth1" }
struct InterfaceMatch {
  Traffic traffic = Traffic::in;
  std::vector<std::string> names;
};

// meta l4proto gre
struct ProtocolMatch {
  std::uint8_t protocol = 0;
};

// tcp dport 21, udp sport { 53, 8000-8080 }, tcp dport @web. Either ports or a named set.
struct PortMatch {
  std::uint8_t protocol = 6;
  std::vector<PortRange> ports;
  std::string set;
  Side side = Side::destination;
};

// tcp flags syn (the flag is set, whatever the others are), tcp flags syn / syn,ack, tcp flags ! syn. The
// flags of `mask` must be those of `value`.
struct TcpFlagsMatch {
  std::uint8_t value = 0;
  std::uint8_t mask = 0;
};

// icmp type echo-request, icmpv6 type { packet-too-big, echo-request }
struct IcmpMatch {
  std::vector<std::uint8_t> types;
  Family family = Family::ipv4;
};

// ip saddr 192.168.2.0/24, ip6 daddr { fe80::1, fe80::2 }, ip saddr @admins_v4. Either ranges or a named set.
struct AddressMatch {
  Side side = Side::source;
  Family family = Family::ipv4;
  std::vector<AddressRange> ranges;
  std::string set;
};

// meta mark 0x00000010, ct mark & 0x000000ff == 0x00000010
struct MarkMatch {
  bool connection = false;
  config::Mark mark;
};

// ct state new,invalid: any of them
struct CtStateMatch {
  bool invalid = false;
  bool established = false;
  bool related = false;
  bool fresh = false;  // "new" in nft
  bool untracked = false;
};

// ct direction reply
struct CtDirectionMatch {
  Direction direction = Direction::original;
};

// ct status expected: the flow was announced by an expectation.
struct CtExpectedMatch {};

// ct status dnat: the destination of the flow is a translated one.
struct CtTranslatedMatch {};

// ct helper "ftp": the flow's, or for a related flow its master's, helper.
struct CtHelperMatch {
  std::string type;
};

// fib daddr type unicast: not an address of this machine, and neither broadcast nor multicast.
struct UnicastElsewhereMatch {};

// fib saddr . iif oif missing: the way back to the sender is not through the interface where the packet came
// in. Loose, fib saddr oif missing: there is no way back at all.
struct NoWayBackMatch {
  bool loose = false;
};

// ---- statements --------------------------------------------------------------------------------

// ct helper set "ftp-std"
struct SetHelper {
  std::string object;
};

// counter name "counter_exp"
struct Count {
  std::string object;
};

// counter packets 0 bytes 0: of this rule alone. Its value ends with the rule, that is with a full load.
struct CountRule {};

// flow add @flow_exp. Ends the rule unless this very packet moves the flow to the fast path
// (nft_flow_offload.c).
struct FlowAdd {
  std::string flowtable;
};

// limit rate 1/second, limit rate over 10/second burst 20 packets
struct Limit {
  config::RateLimit rate;
};

// log prefix "FORWARD-INVALID: ", log prefix "DENIED: " level info
struct Log {
  std::string prefix;  // at most 127 bytes; empty: none
  config::LogLevel level = config::LogLevel::warn;
};

// snat ip to 192.168.0.100, dnat ip6 to [fd00::2]:8080
struct Translate {
  Side side = Side::source;
  AddressRange to;
  std::optional<PortRange> ports;
};

// masquerade, masquerade to :1024-65535
struct Masquerade {
  std::optional<PortRange> ports;
};

// redirect, redirect to :8080
struct Redirect {
  std::optional<PortRange> ports;
};

// reject, reject with tcp reset, reject with icmpx admin-prohibited. nft 1.0.6 wants the plain one in words
// of the family where the rule is of one family only.
struct Reject {
  config::RejectWith with = config::RejectWith::port_unreachable;  // not automatic
  std::optional<Family> family;
};

struct Accept {};
struct Drop {};
struct Goto {
  std::string chain;
};

using Expression =
    std::variant<InterfaceMatch, ProtocolMatch, PortMatch, TcpFlagsMatch, IcmpMatch, AddressMatch, MarkMatch,
                 CtStateMatch, CtDirectionMatch, CtExpectedMatch, CtTranslatedMatch, CtHelperMatch,
                 UnicastElsewhereMatch, NoWayBackMatch, SetHelper, Count, CountRule, FlowAdd, Limit, Log,
                 Translate, Masquerade, Redirect, Reject, Accept, Drop, Goto>;

// ---- rules, chains, objects, tables ------------------------------------------------------------

struct Rule {
  std::vector<Expression> expressions;
  Location where;
  std::string comment = {};  // at most 127 bytes
};

// What makes a chain a base chain.
struct Base {
  ChainType type = ChainType::filter;
  Hook hook = Hook::forward;
  std::int32_t priority = 0;
  Policy policy = Policy::accept;
};

struct Chain {
  std::string name;
  std::optional<Base> base;  // none: reached by goto only
  std::vector<Rule> rules;
  Location where;
};

struct HelperObject {
  std::string name;
  std::string type;
  std::uint8_t protocol = 6;
  Location where;
};

struct CounterObject {
  std::string name;
  Location where;
};

// A named set of addresses of one family, or of ports. Hosts and single ports lie in a hash set, anything
// else in an interval set.
struct SetObject {
  std::string name;
  config::GroupType type = config::GroupType::hosts;
  Family family = Family::ipv4;
  std::vector<AddressRange> addresses;
  std::vector<PortRange> ports;
  Location where;

  bool has_intervals() const { return type != config::GroupType::hosts; }
  std::size_t size() const { return type == config::GroupType::ports ? ports.size() : addresses.size(); }
};

// Hooked at ingress with the priority of filter.
struct FlowtableObject {
  std::string name;
  std::vector<std::string> devices;
  Location where;
};

// Which life a table has in the kernel: filter tables sleep while the appliance is backup, NAT tables never
// sleep once they are there, the protection of the machine itself never sleeps, the guard comes and goes
// (README.md).
enum class TableKind : std::uint8_t { filter, nat, guard, input };

struct Table {
  std::string name;
  TableKind kind = TableKind::filter;
  std::vector<HelperObject> helpers;
  std::vector<CounterObject> counters;
  std::vector<SetObject> sets;
  std::vector<FlowtableObject> flowtables;
  std::vector<Chain> chains;
  Location where;
  // Of its listing: whether a table that stands in the kernel is this one is asked during a takeover, so it
  // is computed where the table is built (listing.hpp).
  std::uint64_t digest = 0;
};

using Ruleset = std::vector<Table>;

}  // namespace ftfw::firewall
