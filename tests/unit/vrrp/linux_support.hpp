// What the tests of the kernel adapters share.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "appliance/base/address.hpp"
#include "tests/unit/vrrp/two_namespaces.hpp"
#include "vrrp/linux/advertisement_socket.hpp"
#include "vrrp/settings.hpp"

namespace ftfw::test {

inline bool skipped_without_root() {
  if (::geteuid() == 0) return false;
  MESSAGE("skipped: network namespaces need root");
  return true;
}

inline IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}

inline bool succeeds(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

// A leg as the configuration would give it; its family is that of its address.
inline vrrp::RouterSettings leg(const std::string& interface, const char* virtual_address) {
  vrrp::RouterSettings settings;
  settings.name = "leg";
  settings.interface = interface;
  settings.id = 51;
  settings.addresses = {ip(virtual_address)};
  return settings;
}

// The next packet, waited for.
inline std::optional<vrrp::ReceivedPacket> next_packet(vrrp::AdvertisementSocket& socket) {
  std::optional<vrrp::ReceivedPacket> packet;
  within(2s, [&] {
    auto got = socket.receive();
    REQUIRE(got);
    packet = *got;
    return packet.has_value();
  });
  return packet;
}

}  // namespace ftfw::test
