// What the tests of virtual MACs share.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <optional>
#include <string>

#include "tests/unit/vrrp/linux_support.hpp"
#include "vrrp/linux/announcer.hpp"
#include "vrrp/linux/virtual_addresses.hpp"
#include "vrrp/linux/virtual_mac_interfaces.hpp"

namespace ftfw::test {

inline constexpr const char* kMacvlan = "vrrp.51";
inline const MacAddress kMac4 = vrrp::virtual_router_mac(Family::ipv4, 51);
inline const MacAddress kMac6 = vrrp::virtual_router_mac(Family::ipv6, 51);
inline const vrrp::VirtualAddress kOnMacvlan{
    .interface = kMacvlan, .address = *IpPrefix::parse("192.0.2.100/24"), .no_prefix_route = true};

inline vrrp::VirtualMacInterfaces open_interfaces() {
  auto interfaces = vrrp::VirtualMacInterfaces::open();
  REQUIRE(interfaces);
  return std::move(*interfaces);
}

inline vrrp::RouterSettings virtual_leg(const std::string& interface, const char* address) {
  vrrp::RouterSettings settings = leg(interface, address);
  settings.virtual_mac = {vrrp::virtual_router_mac(settings.family(), settings.id), kMacvlan};
  return settings;
}

inline MacAddress mac_of(const std::string& interface) {
  const auto announcer = vrrp::Announcer::open();
  REQUIRE(announcer);
  const auto mac = announcer->mac_of(interface);
  REQUIRE(mac);
  return *mac;
}

// A packet socket on right0, made while in "right".
inline UniqueFd capture(std::uint16_t ether_type) {
  UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = htons(ether_type);
  at.sll_ifindex = static_cast<int>(::if_nametoindex("right0"));
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  return socket;
}

// The next frame that satisfies the condition.
template <typename Condition>
std::optional<ByteVector> next_frame(const UniqueFd& socket, Condition condition) {
  std::optional<ByteVector> found;
  within(3s, [&] {
    std::array<std::uint8_t, 2048> buffer{};
    const ssize_t got = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) return false;
    ByteVector frame(buffer.begin(), buffer.begin() + got);
    if (condition(frame)) found = std::move(frame);
    return found.has_value();
  });
  return found;
}

// What a parent needs.
inline void prepare_parent() {
  TwoNamespaces::run("sysctl -qw net.ipv4.conf.left0.arp_ignore=1 net.ipv4.conf.left0.arp_announce=2");
}

}  // namespace ftfw::test
