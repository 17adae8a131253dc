#include "appliance/machine.hpp"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

namespace ftfw {
namespace {

std::optional<IpAddress> address_of(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in ipv4;
    std::memcpy(&ipv4, address, sizeof ipv4);
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &ipv4.sin_addr, bytes.size());
    return IpAddress::ipv4(bytes);
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 ipv6;
    std::memcpy(&ipv6, address, sizeof ipv6);
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &ipv6.sin6_addr, bytes.size());
    return IpAddress::ipv6(bytes);
  }
  return std::nullopt;
}

std::uint8_t length_of(const sockaddr* netmask, Family family) {
  const auto mask = address_of(netmask);
  if (!mask || mask->family() != family) return family == Family::ipv4 ? 32 : 128;
  int length = 0;
  for (const std::uint8_t byte : mask->bytes()) length += std::popcount(byte);
  return static_cast<std::uint8_t>(length);
}

}  // namespace

Result<Machine> read_machine() {
  Machine machine;
  // if_nameindex lists interfaces without an address too.
  const std::unique_ptr<struct if_nameindex, decltype(&::if_freenameindex)> names(::if_nameindex(),
                                                                                  &::if_freenameindex);
  if (!names) return fail_errno("cannot list the interfaces", errno);
  for (const struct if_nameindex* one = names.get(); one->if_name != nullptr; ++one) {
    machine.interfaces.emplace_back(one->if_name);
  }
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return fail_errno("cannot list the addresses", errno);
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> addresses(first, &::freeifaddrs);
  for (const ifaddrs* one = addresses.get(); one != nullptr; one = one->ifa_next) {
    const auto address = address_of(one->ifa_addr);
    if (!address) continue;
    machine.addresses.push_back(*address);
    machine.held.push_back({one->ifa_name, {*address, length_of(one->ifa_netmask, address->family())}});
  }
  return machine;
}

std::vector<config::InterfaceUse> missing_interfaces(const config::Config& config, const Machine& machine) {
  std::vector<config::InterfaceUse> missing;
  std::vector<config::InterfaceUse> uses = config::interfaces_used(config);
  std::ranges::stable_partition(uses, &config::InterfaceUse::essential);
  for (config::InterfaceUse& use : uses) {
    const bool exists = std::ranges::find(machine.interfaces, use.name) != machine.interfaces.end();
    const bool said = std::ranges::find(missing, use.name, &config::InterfaceUse::name) != missing.end();
    if (!exists && !said) missing.push_back(std::move(use));
  }
  return missing;
}

std::string describe_missing(const config::InterfaceUse& use) {
  return fmt::format("this machine has no interface {} (for {}): {}", use.name, use.used_for,
                     use.essential ? "the appliance will not start without it" : "it counts as down");
}

}  // namespace ftfw
