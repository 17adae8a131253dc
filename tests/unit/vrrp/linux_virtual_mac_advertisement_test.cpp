// Advertisements of legs with a virtual MAC, over a real link in network namespaces of their own. Needs root.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>

#include "tests/unit/vrrp/virtual_mac_support.hpp"
#include "vrrp/linux/advertisement_socket.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

// Of /proc/net/netstat: lines of names and of values in turn.
std::uint64_t network_counter(const std::string& name) {
  std::ifstream file("/proc/thread-self/net/netstat");
  for (std::string names, values; std::getline(file, names) && std::getline(file, values);) {
    std::istringstream name_words(names);
    std::istringstream value_words(values);
    for (std::string each, value; name_words >> each && value_words >> value;) {
      if (each == name) return std::stoull(value);
    }
  }
  return 0;
}

}  // namespace

TEST_CASE("advertisements of a virtual MAC leave as frames with it and are understood by a plain listener") {
  if (skipped_without_root()) return;
  struct Case {
    const char* virtual_address;
    const char* source;
    std::uint16_t ether_type;
  };
  for (const Case& each :
       {Case{"192.0.2.100", "192.0.2.1", ETH_P_IP}, Case{"fe80::100", "fe80::1", ETH_P_IPV6}}) {
    TwoNamespaces network;
    network.set_link_local();
    const RouterSettings settings = virtual_leg("left0", each.virtual_address);
    const MacAddress mac = settings.virtual_mac->address;
    auto interfaces = open_interfaces();
    REQUIRE(interfaces.create(kMacvlan, "left0", mac, settings.family()));
    auto sender = AdvertisementSocket::open(settings);
    REQUIRE(sender);
    CHECK(sender->fds().size() == 2);
    auto receiver =
        network.in_right([&] { return AdvertisementSocket::open(leg("right0", each.virtual_address)); });
    REQUIRE(receiver);
    const UniqueFd frames = network.in_right([&] { return capture(each.ether_type); });
    const ByteVector payload(24, 0x31);
    const IpAddress group = multicast_group(settings.family());

    for (const bool up : {false, true}) {
      if (up) REQUIRE(interfaces.set_up(kMacvlan));
      REQUIRE(within(3s, [&] { return sender->send(payload, ip(each.source), group).has_value(); }));
      const auto packet = next_packet(*receiver);
      REQUIRE(packet);
      CHECK(packet->ttl == 255);
      CHECK(packet->source == ip(each.source));
      CHECK(packet->destination == group);
      CHECK(std::ranges::equal(packet->payload, payload));
      CHECK(next_frame(frames, [&](const ByteVector& frame) {
        return frame.size() > 12 && std::equal(mac.bytes.begin(), mac.bytes.end(), frame.begin() + 6) &&
               std::ranges::equal(ByteSpan(frame).last(payload.size()), payload);
      }));
      CHECK_FALSE(*sender->receive());
    }
    const auto unicast = sender->send(payload, ip(each.source), ip(each.source));
    REQUIRE_FALSE(unicast);
    CHECK(unicast.error().blame == Blame::configuration);
  }
}

TEST_CASE(
    "a competing Active router of the same virtual MAC is heard, once, whether our macvlan is up or not") {
  if (skipped_without_root()) return;
  struct Case {
    const char* virtual_address;
    const char* source;
  };
  for (const Case& each : {Case{"192.0.2.100", "192.0.2.2"}, Case{"fe80::100", "fe80::2"}}) {
    CAPTURE(std::string(each.source));
    TwoNamespaces network;
    network.set_link_local();
    const RouterSettings settings = virtual_leg("left0", each.virtual_address);
    const Family family = settings.family();
    auto interfaces = open_interfaces();
    REQUIRE(interfaces.create(kMacvlan, "left0", settings.virtual_mac->address, family));
    auto left = AdvertisementSocket::open(settings);
    REQUIRE(left);
    auto competitor = network.in_right([&] {
      auto own = open_interfaces();
      REQUIRE(own.create(kMacvlan, "right0", settings.virtual_mac->address, family));
      return AdvertisementSocket::open(virtual_leg("right0", each.virtual_address));
    });
    auto plain =
        network.in_right([&] { return AdvertisementSocket::open(leg("right0", each.virtual_address)); });
    REQUIRE(competitor);
    REQUIRE(plain);

    std::uint8_t number = 0;
    const auto is_heard_once = [&](AdvertisementSocket& from) {
      const ByteVector packet{++number};
      REQUIRE(within(
          3s, [&] { return from.send(packet, ip(each.source), multicast_group(family)).has_value(); }));
      const auto heard = next_packet(*left);
      REQUIRE(heard);
      CHECK(heard->payload[0] == number);
      CHECK(heard->ttl == 255);
      CHECK(heard->source == ip(each.source));
    };
    is_heard_once(*competitor);  // down: by the parent
    is_heard_once(*plain);
    REQUIRE(interfaces.set_up(kMacvlan));
    is_heard_once(*competitor);  // up: by the macvlan

    // The macvlan gets a copy of what comes from other MACs, later: seen by a socket that takes all.
    auto copies = RawSocket::open({.interface = kMacvlan, .family = family});
    REQUIRE(copies);
    is_heard_once(*plain);
    CHECK(within(3s, [&] {
      const auto copy = copies->receive();
      REQUIRE(copy);
      return copy->has_value();
    }));
    CHECK_FALSE(*left->receive());

    REQUIRE(interfaces.set_down(kMacvlan));
    is_heard_once(*competitor);
    REQUIRE(interfaces.set_up(kMacvlan));
    is_heard_once(*competitor);
  }
}

TEST_CASE("a macvlan that was made again is heard again after the sockets have rejoined") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  const RouterSettings settings = virtual_leg("left0", "192.0.2.100");
  auto interfaces = open_interfaces();
  CHECK_FALSE(AdvertisementSocket::open(settings));  // no macvlan yet
  REQUIRE(interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4));
  auto left = AdvertisementSocket::open(settings);
  REQUIRE(left);
  auto competitor = network.in_right([&] {
    REQUIRE(open_interfaces().create(kMacvlan, "right0", kMac4, Family::ipv4));
    return AdvertisementSocket::open(virtual_leg("right0", "192.0.2.100"));
  });
  REQUIRE(competitor);
  const std::vector<int> descriptors(left->fds().begin(), left->fds().end());
  REQUIRE(interfaces.remove(kMacvlan));
  REQUIRE(left->rejoin());  // the parent stands, the macvlan does not: no error

  REQUIRE(interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4));
  REQUIRE(interfaces.set_up(kMacvlan));
  REQUIRE(left->rejoin());
  CHECK(std::ranges::equal(left->fds(), descriptors));
  REQUIRE(within(3s, [&] {
    return competitor->send(ByteVector(12), ip("192.0.2.2"), multicast_group(Family::ipv4)).has_value();
  }));
  CHECK(next_packet(*left));
}

TEST_CASE(
    "a loose reverse path filter for all interfaces leaves the macvlan its ears, a strict one does not") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  prepare_parent();
  auto interfaces = open_interfaces();
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  REQUIRE(interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4));
  auto left = AdvertisementSocket::open(virtual_leg("left0", "192.0.2.100"));
  REQUIRE(left);
  REQUIRE(interfaces.set_up(kMacvlan));
  REQUIRE(addresses->add({&kOnMacvlan, 1}, 30s));
  auto competitor = network.in_right([&] {
    REQUIRE(open_interfaces().create(kMacvlan, "right0", kMac4, Family::ipv4));
    return AdvertisementSocket::open(virtual_leg("right0", "192.0.2.100"));
  });
  REQUIRE(competitor);
  const auto advertise = [&] {
    return competitor->send(ByteVector(12), ip("192.0.2.2"), multicast_group(Family::ipv4)).has_value();
  };

  TwoNamespaces::run("sysctl -qw net.ipv4.conf.all.rp_filter=2");
  REQUIRE(within(3s, advertise));
  CHECK(next_packet(*left));

  TwoNamespaces::run("sysctl -qw net.ipv4.conf.all.rp_filter=1");
  const auto filtered = [] { return network_counter("IPReversePathFilter"); };
  const std::uint64_t before = filtered();
  REQUIRE(advertise());
  CHECK(within(3s, [&] { return filtered() > before; }));
  CHECK_FALSE(*left->receive());
}

TEST_CASE("an advertisement that no frame can hold is refused with EMSGSIZE") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  REQUIRE(open_interfaces().create(kMacvlan, "left0", kMac6, Family::ipv6));
  auto sender = AdvertisementSocket::open(virtual_leg("left0", "fe80::100"));
  REQUIRE(sender);
  const IpAddress group = multicast_group(Family::ipv6);
  CHECK(sender->send(ByteVector(8 + 90 * 16), ip("fe80::1"), group));
  const auto refused = sender->send(ByteVector(8 + 91 * 16), ip("fe80::1"), group);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == EMSGSIZE);
}
