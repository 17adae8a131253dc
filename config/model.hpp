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

namespace ftfw::config {

// 1-based; 0 means "not from the file" (a default).
struct Location {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  auto operator<=>(const Location&) const = default;
};

struct Node {
  std::string name;
  std::uint8_t priority = 100;  // 1..254; 255 would claim to own the virtual addresses
  IpAddress replication_address;
  Location where;
  Location priority_where;
  Location replication_address_where;
};

// ---- [vrrp], [[sync_group]] --------------------------------------------------------------------

struct Vrrp {
  std::uint8_t version = 3;              // 2 or 3
  Duration advertisement_interval = 1s;  // v2: whole seconds 1..255; v3: 10 ms..40.95 s in 10 ms steps
  std::optional<std::array<std::uint8_t, 8>> pass;  // v2 PASS, cut or zero-padded to the 8 bytes of the wire
  bool preempt = true;
  Duration sync_wait = 60s;  // how long "not in sync with a living primary" blocks preemption
  Location interval_where;
  Location pass_where;  // the password: a file that others can read is worth a warning
};

struct VirtualRouter {
  std::string name;
  std::string interface;
  std::uint8_t id = 0;              // VRID 1..255
  std::vector<IpPrefix> addresses;  // virtual addresses; full length where the file gives none
  Location where;
  Location interface_where;
  Location id_where;
  std::vector<Location> addresses_where;  // one per address
};

struct SyncGroup {
  std::string name;
  std::vector<VirtualRouter> routers;
  Location where;
};

// ---- [replication] -----------------------------------------------------------------------------

enum class StandbyMode { kernel, cache };

struct Replication {
  std::string interface;
  Location interface_where;
  std::uint16_t port = 3780;
  std::string key_file;  // empty only with insecure
  Location key_file_where;
  bool insecure = false;  // no DTLS at all
  StandbyMode standby = StandbyMode::kernel;
  Location standby_where;
  std::vector<std::uint8_t> protocols;  // IP protocol numbers to replicate; empty: all
  bool expectations = true;
  Duration parked_timeout = 24h;    // timeout of entries in a standby's kernel
  Duration compare_interval = 60s;  // full compare with the peer
};

// ---- [firewall] --------------------------------------------------------------------------------

enum class ForwardPolicy { accept, drop };

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

struct Flowtable {
  std::string name;
  std::vector<std::string> devices;
  std::string counter;  // empty: none
  FlowtableMode mode = FlowtableMode::automatic;
  // Which established flows take the fast path. "expected" is the only class so far: ct status expected.
  Location where;
  std::vector<Location> devices_where;  // one per device
  Location counter_where;
};

struct RateLimit {
  std::uint64_t packets = 0;
  std::uint64_t per_seconds = 1;  // 1, 60, 3600, 86400
};

// One allow rule for forwarded traffic. Either protocol or helper is set.
struct Allow {
  std::string from;  // interface; empty: any ("from = any"). Defaults to Firewall::inside
  std::optional<std::uint8_t> protocol;
  std::vector<std::uint16_t> ports;      // destination ports; tcp and udp only
  std::vector<std::uint8_t> icmp_types;  // ICMP (IPv4) types by number
  std::string helper;                    // kernel helper name: its related flows are accepted
  std::optional<RateLimit> limit;
  Location where;
  Location from_where;
  Location helper_where;
};

struct SourceNat {
  std::string out;  // interface
  IpPrefix source;
  IpAddress to;
  Location where;
  Location out_where;
  Location to_where;
};

struct Firewall {
  ForwardPolicy forward_policy = ForwardPolicy::drop;
  std::string inside;  // interface
  Location inside_where;
  std::string outside;  // interface
  Location outside_where;
  std::vector<Helper> helpers;
  std::vector<Counter> counters;
  std::vector<Flowtable> flowtables;
  std::vector<Allow> allows;
  std::string log_invalid;  // log prefix for invalid packets; empty: no log
  Location log_where;
  std::vector<SourceNat> snats;
};

// -----------------------------------------------------------------------------------------------------------

enum class OnExit { closed, open };

struct Config {
  std::vector<Node> nodes;  // two
  Vrrp vrrp;
  SyncGroup group;  // one: the appliance has one role
  Replication replication;
  Firewall firewall;
  OnExit on_exit = OnExit::closed;
};

}  // namespace ftfw::config
