#include "vrrp/settings.hpp"

namespace ftfw::vrrp {

Settings make_settings(const config::Config& config, const config::Node& node, RoleLimit role_limit) {
  Settings settings{.version = config.vrrp.version,
                    .advertisement_interval = config.vrrp.advertisement_interval,
                    .pass = config.vrrp.pass,
                    .priority = node.priority,
                    .preempt = config.vrrp.preempt,
                    .sync_wait = config.vrrp.sync_wait,
                    .role_limit = role_limit,
                    .routers = {}};
  for (const config::VirtualRouter& router : config.group.routers) {
    RouterSettings leg{.name = router.name, .interface = router.interface, .id = router.id, .addresses = {}};
    for (const IpPrefix& prefix : router.addresses) leg.addresses.push_back(prefix.address);
    settings.routers.push_back(std::move(leg));
  }
  return settings;
}

}  // namespace ftfw::vrrp
