// The configuration as immutable typed values. Produced by config/load.hpp, read by every other layer,
// changed by nobody. Each value that a diagnostic or a kernel error may have to point at carries its
// Location. Units are in the types (Duration) or names. Source: the key reference in config/README.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/time.hpp"
#include "config/firewall_model.hpp"
#include "config/location.hpp"

namespace ftfw::config {

struct Node {
  std::string name;
  std::uint8_t priority = 100;  // 1..255; 255 claims at once at the start
  IpAddress replication_address;
  Location where;
  Location priority_where;
  Location replication_address_where;
};

// ---- [vrrp], [[sync_group]] --------------------------------------------------------------------

// How version 3 sums an IPv4 packet: vrrp/advertisement.hpp says why there are two.
enum class ChecksumForm { pseudo_header, message_only };

// Gratuitous ARP as a request (RFC 5227) or as a reply: some equipment learns from only one of them.
enum class ArpForm { request, reply, both };

// How the neighbours are told where the virtual addresses are.
struct Announcements {
  int repeats = 5;             // of every address in a burst
  Duration spacing = 20ms;     // between the rounds of a burst
  Duration second_burst = 5s;  // after the first; 0: none
  Duration refresh = 60s;      // while primary; 0: never
  ArpForm arp = ArpForm::request;
};

struct Vrrp {
  std::uint8_t version = 3;              // 2 or 3, of IPv4 routers; IPv6 routers speak version 3 always
  Duration advertisement_interval = 1s;  // v2: whole seconds 1..255; v3: 10 ms..40.95 s in 10 ms steps
  int missed_advertisements = 3;         // 2..100: how many may be missed before the Active router is gone
  std::optional<std::array<std::uint8_t, 8>> pass;  // v2 PASS, cut or zero-padded to the 8 bytes of the wire
  ChecksumForm checksum = ChecksumForm::pseudo_header;  // as sent; both are accepted
  bool preempt = true;
  Duration preempt_delay{};  // a lower priority must have been Active for so long before it is preempted
  Duration startup_delay{};  // after its start a node listens for so long before its first claim
  Duration sync_wait = 60s;  // how long "not in sync with a living primary" blocks preemption
  Announcements announcements;
  Location interval_where;
  Location checksum_where;
  Location pass_where;  // the password: a file that others can read is worth a warning
};

// The kernel's address scopes (rtnetlink(7)).
enum class AddressScope { global, link, host };

struct VirtualAddress {
  IpPrefix address;  // full length where the file gives none
  AddressScope scope = AddressScope::global;
  std::string label;  // IPv4 only, begins with the name of the interface; empty: none
  Location where;
  Location label_where;
};

struct VirtualRouter {
  std::string name;
  std::string interface;
  std::uint8_t id = 0;                             // VRID 1..255
  std::vector<VirtualAddress> addresses;           // in the advertisement, all of one family
  std::vector<VirtualAddress> excluded_addresses;  // move along and are announced, but are not advertised
  // The virtual router's own MAC, 00:00:5e:00:01:id (IPv6: 02), on a macvlan of this name above `interface`.
  std::string virtual_mac_interface;  // empty: plain, the interface's MAC
  // Unicast instead of multicast: where the nodes are, all of them (one file serves all); empty: multicast.
  std::vector<IpAddress> unicast;
  std::vector<IpAddress> allowed_sources;  // empty: advertisements of anybody on the link are judged
  Duration up_delay{};                     // a link that came up must have stayed up for so long
  Location where;
  Location interface_where;
  Location id_where;
  Location virtual_mac_where;
  std::vector<Location> unicast_where;          // one per address
  std::vector<Location> allowed_sources_where;  // one per address

  // Of its addresses; nothing while there are none.
  std::optional<Family> family() const {
    for (const auto* list : {&addresses, &excluded_addresses}) {
      if (!list->empty()) return list->front().address.address.family();
    }
    return std::nullopt;
  }
  // The interface that holds the virtual addresses and receives what is sent to their MAC.
  const std::string& address_interface() const {
    return virtual_mac_interface.empty() ? interface : virtual_mac_interface;
  }
};

// An interface besides the routers' own whose loss counts.
struct TrackedInterface {
  std::string interface;
  std::optional<int>
      weight;  // added to the priority while it is down (-253..253); none: the group is in fault
  Duration up_delay{};
  Location where;
};

// A file with one integer, which times `weight` is added to the priority: the maintenance switch.
struct TrackedFile {
  std::string path;
  int weight = 1;
  Location where;
};

// A route that stands while the node is primary.
struct VirtualRoute {
  IpPrefix to;                      // length 0: the default route
  std::optional<IpAddress> via;     // none: directly on the interface
  std::string interface;            // empty: by the way to `via`
  std::optional<IpAddress> source;  // preferred source address
  std::uint32_t table = 254;        // RT_TABLE_MAIN
  std::optional<std::uint32_t> metric;
  std::optional<std::uint32_t> mtu;
  Location where;
  Location interface_where;
  Location source_where;
};

struct SyncGroup {
  std::string name;
  std::vector<VirtualRouter> routers;
  std::vector<TrackedInterface> tracked_interfaces;
  std::vector<TrackedFile> tracked_files;
  std::vector<VirtualRoute> routes;
  Location where;
};

// ---- [replication] -----------------------------------------------------------------------------

enum class StandbyMode { kernel, cache };

// A dedicated link beside the first, in the order of preference.
struct ReplicationLink {
  std::string interface;
  std::vector<IpAddress> addresses;  // one per node, in the order of Config::nodes
  Location where;
  Location interface_where;
  std::vector<Location> addresses_where;  // likewise
};

struct Replication {
  std::string interface;  // the first link, with every node's replication_address
  Location interface_where;
  std::vector<ReplicationLink> further_links;
  std::uint16_t port = 3780;  // on every link
  std::string key_file;       // empty only with insecure
  Location key_file_where;
  std::string key_file_next;  // accepted beside it while the key is changed; empty: none
  Location key_file_next_where;
  bool insecure = false;  // no DTLS at all
  StandbyMode standby = StandbyMode::kernel;
  Location standby_where;
  std::vector<std::uint8_t> protocols;   // IP protocol numbers to replicate; empty: all
  std::vector<std::uint8_t> tcp_states;  // numbers of the kernel; empty: all from the first reply on
  std::vector<IpPrefix> excluded_networks;
  Duration minimum_age{};  // of a flow that is sent
  bool expectations = true;
  Duration parked_timeout = 24h;                       // timeout of entries in a standby's kernel
  Duration compare_interval = 60s;                     // full compare with the peer
  std::uint32_t compare_entries_per_second = 100'000;  // paces of the periodic compare, read
  std::uint32_t repair_entries_per_second = 20'000;    // and sent
  std::uint32_t event_buffer_bytes = 64U << 20;        // of the kernel's events that wait to be read
  bool reliable_destroy = false;  // the kernel keeps what did not fit, see config/README.md
};

// ------------------------------------------------------------------------------------------------

enum class OnExit { closed, open };

struct Config {
  std::vector<Node> nodes;  // two to eight
  Vrrp vrrp;
  SyncGroup group;  // one: the appliance has one role
  Replication replication;
  Firewall firewall;
  OnExit on_exit = OnExit::closed;
};

}  // namespace ftfw::config
