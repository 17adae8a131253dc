// What the engine needs of the configuration: one sync group with one effective priority. Immutable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "appliance/base/time.hpp"
#include "config/model.hpp"
#include "vrrp/advertisement.hpp"
#include "vrrp/announcement_policy.hpp"

namespace ftfw::vrrp {

enum class RoleLimit : std::uint8_t {
  automatic,       // listen, then elect
  claim_at_start,  // --role primary: skips the wait at the start, then elects as usual
  backup_only,     // --role backup: never claims
};

// Where the virtual router's own MAC lives (RFC 9568 7.3).
struct VirtualMac {
  MacAddress address;     // 00:00:5e:00:01:id, IPv6 00:00:5e:00:02:id
  std::string interface;  // the macvlan above the router's interface
};

MacAddress virtual_router_mac(Family family, std::uint8_t id);

// One virtual router: a leg of the group.
struct RouterSettings {
  std::string name;
  std::string interface;
  std::uint8_t id = 0;
  std::vector<IpAddress> addresses;      // in the order of the configuration, which is the order on the wire
  std::vector<IpAddress> excluded = {};  // move and are announced with them, but are not in the advertisement
  std::optional<VirtualMac> virtual_mac = {};
  std::vector<IpAddress> unicast = {};  // empty: multicast; may hold our own address, which is skipped
  std::vector<IpAddress> allowed_sources = {};  // empty: anybody on the link
  Duration up_delay{};

  // The family of its advertisements and addresses.
  Family family() const;
};

struct TrackedInterface {
  std::string interface;
  std::optional<int> weight;  // added to the priority while it is down; none: the group is in fault
  Duration up_delay{};
};

struct Settings {
  std::uint8_t version = 3;  // of IPv4 routers; version_of() has the IPv6 rule
  Duration advertisement_interval = 1s;
  int missed_advertisements = 3;
  std::optional<Pass> pass;
  ChecksumForm checksum = ChecksumForm::pseudo_header;
  std::uint8_t priority = 100;
  bool preempt = true;
  Duration preempt_delay{};
  Duration startup_delay{};
  Duration sync_wait = 60s;  // longest time that "not in sync" blocks preemption
  RoleLimit role_limit = RoleLimit::automatic;
  std::vector<RouterSettings> routers;
  std::vector<TrackedInterface> tracked_interfaces;
  AnnouncementPolicy announcements;
};

// The version that this router speaks: IPv6 knows version 3 only.
std::uint8_t version_of(const Settings& settings, const RouterSettings& router);

Settings make_settings(const config::Config& config, const config::Node& node, RoleLimit role_limit);

}  // namespace ftfw::vrrp
