#include "appliance/holdings.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "vrrp/settings.hpp"

namespace ftfw {
namespace {

constexpr std::uint8_t kLinkLocalLength = 64;  // RFC 4291 2.5.6

// The first refusal of several; the rest is tried all the same.
void keep_first(Status& kept, Status next) {
  if (kept && !next) kept = std::move(next);
}

bool is_same(const vrrp::VirtualAddress& left, const vrrp::VirtualAddress& right) {
  return left.interface == right.interface && left.address == right.address;
}

std::vector<std::string> interfaces_of(const config::SyncGroup& group) {
  std::set<std::string> names;
  for (const config::VirtualRouter& router : group.routers) {
    names.insert(router.interface);
    names.insert(router.address_interface());
  }
  return {names.begin(), names.end()};
}

}  // namespace

std::vector<vrrp::VirtualAddress> addresses_of(const config::SyncGroup& group) {
  std::vector<vrrp::VirtualAddress> addresses;
  for (const config::VirtualRouter& router : group.routers) {
    for (const auto* list : {&router.addresses, &router.excluded_addresses}) {
      for (const config::VirtualAddress& one : *list) {
        // The network's route stands on the interface below the macvlan: a second one would lead there too.
        // But a link-local address answers on the interface that has a route to link-local ones.
        const bool on_macvlan = !router.virtual_mac_interface.empty();
        const bool link_local = !one.address.address.is_ipv4() && one.address.address.is_link_local();
        IpPrefix address = one.address;
        if (on_macvlan && link_local && address.is_host()) address.length = kLinkLocalLength;
        addresses.push_back({.interface = router.address_interface(),
                             .address = address,
                             .scope = one.scope,
                             .label = one.label,
                             .no_prefix_route = on_macvlan && !link_local});
      }
    }
  }
  return addresses;
}

std::vector<VirtualMacUse> virtual_macs_of(const config::SyncGroup& group) {
  std::vector<VirtualMacUse> macs;
  for (const config::VirtualRouter& router : group.routers) {
    if (router.virtual_mac_interface.empty()) continue;
    const Family family = router.addresses.front().address.address.family();
    macs.push_back({.name = router.virtual_mac_interface,
                    .parent = router.interface,
                    .mac = vrrp::virtual_router_mac(family, router.id),
                    .family = family});
  }
  return macs;
}

Holdings::Holdings(const config::SyncGroup& group, vrrp::VirtualAddresses addresses,
                   vrrp::VirtualRoutes routes, vrrp::VirtualMacInterfaces macs)
    : addresses_(addresses_of(group)),
      routes_(group.routes),
      macs_(virtual_macs_of(group)),
      interfaces_(interfaces_of(group)),
      kernel_addresses_(std::move(addresses)),
      kernel_routes_(std::move(routes)),
      kernel_macs_(std::move(macs)) {}

Result<Holdings> Holdings::open(const config::SyncGroup& group) {
  auto addresses = vrrp::VirtualAddresses::open();
  if (!addresses) return std::unexpected(addresses.error());
  auto routes = vrrp::VirtualRoutes::open();
  if (!routes) return std::unexpected(routes.error());
  auto macs = vrrp::VirtualMacInterfaces::open();
  if (!macs) return std::unexpected(macs.error());
  return Holdings(group, std::move(*addresses), std::move(*routes), std::move(*macs));
}

Status Holdings::prepare() {
  Status done;
  const auto macs = kernel_macs_.list_own();
  if (!macs) return std::unexpected(macs.error());
  for (const std::string& name : *macs) {
    if (std::ranges::find(macs_, name, &VirtualMacUse::name) == macs_.end())
      keep_first(done, kernel_macs_.remove(name));
  }
  auto addresses = kernel_addresses_.list_own(interfaces_);
  if (!addresses) return std::unexpected(addresses.error());
  std::erase_if(*addresses, [this](const vrrp::VirtualAddress& standing) {
    return std::ranges::any_of(addresses_, [&](const auto& ours) { return is_same(ours, standing); });
  });
  keep_first(done, kernel_addresses_.remove(*addresses));
  auto routes = kernel_routes_.list_own();
  if (!routes) return std::unexpected(routes.error());
  std::erase_if(*routes, [this](const config::VirtualRoute& standing) {
    return std::ranges::any_of(
        routes_, [&](const config::VirtualRoute& ours) { return vrrp::is_same_route(ours, standing); });
  });
  keep_first(done, kernel_routes_.remove(*routes));
  keep_first(done, make_virtual_macs());
  return done;
}

Status Holdings::make_virtual_macs() {
  Status made;
  for (const VirtualMacUse& use : macs_)
    keep_first(made, kernel_macs_.create(use.name, use.parent, use.mac, use.family));
  return made;
}

Status Holdings::remove_virtual_macs() {
  Status removed;
  for (const VirtualMacUse& use : macs_) keep_first(removed, kernel_macs_.remove(use.name));
  return removed;
}

Status Holdings::add_addresses(std::chrono::seconds lifetime) {
  // They may have gone with their parent interface since the start.
  if (Status made = make_virtual_macs(); !made) return made;
  for (const VirtualMacUse& use : macs_) {
    if (Status up = kernel_macs_.set_up(use.name); !up) return up;
  }
  return kernel_addresses_.add(addresses_, lifetime);
}

Status Holdings::remove_addresses() {
  Status removed = kernel_addresses_.remove(addresses_);
  for (const VirtualMacUse& use : macs_) keep_first(removed, kernel_macs_.set_down(use.name));
  return removed;
}

Status Holdings::add_routes() {
  return kernel_routes_.add(routes_);
}

Status Holdings::remove_routes() {
  return kernel_routes_.remove(routes_);
}

Result<std::vector<vrrp::VirtualAddress>> Holdings::missing_addresses() {
  const auto standing = kernel_addresses_.list_own(interfaces_);
  if (!standing) return std::unexpected(standing.error());
  std::vector<vrrp::VirtualAddress> missing = addresses_;
  std::erase_if(missing, [&standing](const vrrp::VirtualAddress& wanted) {
    return std::ranges::any_of(*standing, [&](const auto& each) { return is_same(each, wanted); });
  });
  return missing;
}

Result<std::vector<config::VirtualRoute>> Holdings::missing_routes() {
  const auto standing = kernel_routes_.list_own();
  if (!standing) return std::unexpected(standing.error());
  std::vector<config::VirtualRoute> missing = routes_;
  std::erase_if(missing, [&standing](const config::VirtualRoute& wanted) {
    return std::ranges::any_of(*standing,
                               [&](const auto& each) { return vrrp::is_same_route(each, wanted); });
  });
  return missing;
}

}  // namespace ftfw
