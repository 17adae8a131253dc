#include "vrrp/settings.hpp"

namespace ftfw::vrrp {
namespace {

ChecksumForm form_of(config::ChecksumForm form) {
  return form == config::ChecksumForm::pseudo_header ? ChecksumForm::pseudo_header
                                                     : ChecksumForm::message_only;
}

ArpForm form_of(config::ArpForm form) {
  switch (form) {
    case config::ArpForm::request:
      return ArpForm::request;
    case config::ArpForm::reply:
      return ArpForm::reply;
    case config::ArpForm::both:
      return ArpForm::both;
  }
  return ArpForm::request;
}

RouterSettings leg_of(const config::VirtualRouter& router) {
  RouterSettings leg{.name = router.name, .interface = router.interface, .id = router.id, .addresses = {}};
  for (const config::VirtualAddress& one : router.addresses) leg.addresses.push_back(one.address.address);
  for (const config::VirtualAddress& one : router.excluded_addresses)
    leg.excluded.push_back(one.address.address);
  if (!router.virtual_mac_interface.empty()) {
    leg.virtual_mac = {virtual_router_mac(leg.family(), router.id), router.virtual_mac_interface};
  }
  leg.unicast = router.unicast;
  leg.allowed_sources = router.allowed_sources;
  leg.up_delay = router.up_delay;
  return leg;
}

}  // namespace

Family RouterSettings::family() const {
  return addresses.empty() ? Family::ipv4 : addresses.front().family();
}

MacAddress virtual_router_mac(Family family, std::uint8_t id) {
  const std::uint8_t version = family == Family::ipv4 ? 0x01 : 0x02;
  return {{0x00, 0x00, 0x5e, 0x00, version, id}};
}

std::uint8_t version_of(const Settings& settings, const RouterSettings& router) {
  return router.family() == Family::ipv6 ? std::uint8_t{3} : settings.version;
}

Settings make_settings(const config::Config& config, const config::Node& node, RoleLimit role_limit) {
  const config::Vrrp& vrrp = config.vrrp;
  Settings settings{.version = vrrp.version,
                    .advertisement_interval = vrrp.advertisement_interval,
                    .missed_advertisements = vrrp.missed_advertisements,
                    .pass = vrrp.pass,
                    .checksum = form_of(vrrp.checksum),
                    .priority = node.priority,
                    .preempt = vrrp.preempt,
                    .preempt_delay = vrrp.preempt_delay,
                    .startup_delay = vrrp.startup_delay,
                    .sync_wait = vrrp.sync_wait,
                    .role_limit = role_limit,
                    .routers = {},
                    .tracked_interfaces = {},
                    .announcements = {.repeats = vrrp.announcements.repeats,
                                      .spacing = vrrp.announcements.spacing,
                                      .second_burst = vrrp.announcements.second_burst,
                                      .refresh = vrrp.announcements.refresh,
                                      .arp = form_of(vrrp.announcements.arp)}};
  for (const config::VirtualRouter& router : config.group.routers) settings.routers.push_back(leg_of(router));
  for (const config::TrackedInterface& tracked : config.group.tracked_interfaces) {
    settings.tracked_interfaces.push_back({tracked.interface, tracked.weight, tracked.up_delay});
  }
  return settings;
}

}  // namespace ftfw::vrrp
