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

namespace ftfw::vrrp {

enum class RoleLimit : std::uint8_t {
  automatic,       // listen, then elect
  claim_at_start,  // --role primary: skips the wait at the start, then elects as usual
  backup_only,     // --role backup: never claims
};

// One virtual router: a leg of the group.
struct RouterSettings {
  std::string name;
  std::string interface;
  std::uint8_t id = 0;
  std::vector<IpAddress> addresses;  // in the order of the configuration, which is the order on the wire
};

struct Settings {
  std::uint8_t version = 3;
  Duration advertisement_interval = 1s;
  std::optional<Pass> pass;
  std::uint8_t priority = 100;
  bool preempt = true;
  Duration sync_wait = 60s;  // longest time that "not in sync" blocks preemption
  RoleLimit role_limit = RoleLimit::automatic;
  std::vector<RouterSettings> routers;
};

Settings make_settings(const config::Config& config, const config::Node& node, RoleLimit role_limit);

}  // namespace ftfw::vrrp
