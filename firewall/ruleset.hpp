// A ruleset as values: tables, objects, chains and rules, each rule a list of typed expressions in the order
// in which nft writes them. The listing (listing.hpp) and the libnftnl builder (linux/) walk the same values,
// so what is printed is what is loaded. Plain data, owned by whoever built it, shared read-only between
// threads. Invariants: element lists are sorted and without duplicates (as the kernel's sets and nft's
// listing are); addresses of one expression are of one family; a chain stands before the chains that go to
// it. Every table is of the family inet. Words: nft(8).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "appliance/base/address.hpp"
#include "config/model.hpp"

namespace ftfw::firewall {

using config::Location;

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

// tcp dport 21, udp dport { 53, 123 }
struct PortMatch {
  std::uint8_t protocol = 6;
  std::vector<std::uint16_t> ports;
};

// tcp flags syn: the flag is set, whatever the others are.
struct TcpSynMatch {};

// icmp type echo-request; of IPv4 only
struct IcmpMatch {
  std::vector<std::uint8_t> types;
};

// ip saddr 192.168.2.0/24, ip6 daddr { fe80::1, fe80::2 }. Several prefixes must all be hosts.
struct AddressMatch {
  Side side = Side::source;
  std::vector<IpPrefix> prefixes;
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

// ct helper "ftp": the flow's, or for a related flow its master's, helper.
struct CtHelperMatch {
  std::string type;
};

// fib daddr type unicast: not an address of this machine, and neither broadcast nor multicast.
struct UnicastElsewhereMatch {};

// ---- statements --------------------------------------------------------------------------------

// ct helper set "ftp-std"
struct SetHelper {
  std::string object;
};

// counter name "counter_exp"
struct Count {
  std::string object;
};

// flow add @flow_exp. Ends the rule unless this very packet moves the flow to the fast path
// (nft_flow_offload.c).
struct FlowAdd {
  std::string flowtable;
};

// limit rate 1/second
struct Limit {
  std::uint64_t packets = 1;
  std::uint64_t per_seconds = 1;  // 1, 60, 3600, 86400
};

// log prefix "FORWARD-INVALID: "
struct Log {
  std::string prefix;  // at most 127 bytes
};

// snat ip to 192.168.0.100
struct SnatTo {
  IpAddress address;
};

struct Accept {};
struct Drop {};
struct Goto {
  std::string chain;
};

using Expression =
    std::variant<InterfaceMatch, ProtocolMatch, PortMatch, TcpSynMatch, IcmpMatch, AddressMatch, CtStateMatch,
                 CtDirectionMatch, CtExpectedMatch, CtHelperMatch, UnicastElsewhereMatch, SetHelper, Count,
                 FlowAdd, Limit, Log, SnatTo, Accept, Drop, Goto>;

// ---- rules, chains, objects, tables ------------------------------------------------------------

struct Rule {
  std::vector<Expression> expressions;
  Location where;
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

// Hooked at ingress with the priority of filter.
struct FlowtableObject {
  std::string name;
  std::vector<std::string> devices;
  Location where;
};

// Which life a table has in the kernel: filter tables sleep while the appliance is backup, NAT tables never
// sleep once they are there, the guard comes and goes (README.md).
enum class TableKind : std::uint8_t { filter, nat, guard };

struct Table {
  std::string name;
  TableKind kind = TableKind::filter;
  std::vector<HelperObject> helpers;
  std::vector<CounterObject> counters;
  std::vector<FlowtableObject> flowtables;
  std::vector<Chain> chains;
  Location where;
  // Of its listing: whether a table that stands in the kernel is this one is asked during a takeover, so it
  // is computed where the table is built (listing.hpp).
  std::uint64_t digest = 0;
};

using Ruleset = std::vector<Table>;

}  // namespace ftfw::firewall
