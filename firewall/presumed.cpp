#include "firewall/presumed.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace ftfw::firewall {
namespace {

struct Network {
  IpPrefix prefix;
  std::string interface;
};

template <typename Each>
void for_each_virtual(const config::Config& config, const Each& each) {
  for (const config::VirtualRouter& router : config.group.routers) {
    for (const auto* list : {&router.addresses, &router.excluded_addresses}) {
      for (const config::VirtualAddress& one : *list) each(router, one.address);
    }
  }
}

// The longest prefix first, as the kernel looks.
std::vector<Network> networks_of(const config::Config& config) {
  std::vector<Network> networks;
  for_each_virtual(config, [&](const config::VirtualRouter& router, const IpPrefix& prefix) {
    if (!prefix.is_host()) networks.push_back({prefix, router.interface});
  });
  for (const config::VirtualRoute& route : config.group.routes) {
    std::string interface = route.interface;
    for (const Network& network : networks) {
      if (interface.empty() && route.via && network.prefix.contains(*route.via))
        interface = network.interface;
    }
    if (!interface.empty()) networks.push_back({route.to, interface});
  }
  std::ranges::stable_sort(networks, std::ranges::greater{},
                           [](const Network& one) { return one.prefix.length; });
  return networks;
}

bool is_broadcast(const IpAddress& address) {
  return address.is_ipv4() && std::ranges::all_of(address.bytes(), [](std::uint8_t b) { return b == 0xff; });
}

}  // namespace

bool is_virtual_address(const config::Config& config, const IpAddress& address) {
  bool found = false;
  for_each_virtual(config, [&](const config::VirtualRouter&, const IpPrefix& prefix) {
    found = found || prefix.address == address;
  });
  return found;
}

Surroundings presumed_surroundings(const config::Config& config, std::vector<IpAddress> own) {
  auto networks = networks_of(config);
  const auto route = [&config, own = std::move(own), networks](const IpAddress& address) -> Route {
    if (address.is_multicast() || is_broadcast(address)) return {Destination::group, config.firewall.outside};
    if (address.is_loopback() || is_virtual_address(config, address) ||
        std::ranges::find(own, address) != own.end())
      return {Destination::local, {}};
    for (const Network& network : networks) {
      if (network.prefix.contains(address)) return {Destination::elsewhere, network.interface};
    }
    return {Destination::elsewhere, config.firewall.outside};
  };
  const auto own_address = [&config](const std::string& interface,
                                     Family family) -> std::optional<IpAddress> {
    for (const config::VirtualRouter& router : config.group.routers) {
      if (router.interface != interface || router.family() != family || router.addresses.empty()) continue;
      return router.addresses.front().address.address;
    }
    return std::nullopt;
  };
  const auto has_way_back = [route](const IpAddress& source, const std::string& in, bool loose) {
    const Route back = route(source);
    return back.destination == Destination::elsewhere && (loose || back.out == in);
  };
  return {.route = route, .own_address = own_address, .has_way_back = has_way_back};
}

}  // namespace ftfw::firewall
