// The watch over our addresses and routes against the real kernel, in network namespaces of its own. Needs
// root.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/vrrp/linux_support.hpp"
#include "vrrp/linux/own_watch.hpp"
#include "vrrp/linux/virtual_addresses.hpp"
#include "vrrp/linux/virtual_routes.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

// Takes in events until they satisfy the condition.
template <typename Condition>
bool tells(OwnWatch& watch, Condition condition) {
  OwnRemovals all;
  return within(5s, [&] {
    const auto read = watch.read();
    REQUIRE(read);
    all.addresses.insert(all.addresses.end(), read->addresses.begin(), read->addresses.end());
    all.routes.insert(all.routes.end(), read->routes.begin(), read->routes.end());
    all.look_yourself = all.look_yourself || read->look_yourself;
    return condition(all);
  });
}

// What waits now is read: the events of these changes were queued when the commands ended.
OwnRemovals told(OwnWatch& watch) {
  const auto read = watch.read();
  REQUIRE(read);
  return *read;
}

bool has_address(const OwnRemovals& removals, const char* interface, const char* address) {
  return std::ranges::any_of(removals.addresses, [&](const RemovedAddress& each) {
    return each.interface == interface && each.address == IpPrefix::parse(address);
  });
}

bool has_route(const OwnRemovals& removals, const char* to, std::uint32_t table, std::uint32_t metric) {
  return std::ranges::any_of(removals.routes, [&](const RemovedRoute& each) {
    return each.to == IpPrefix::parse(to) && each.table == table && each.metric == metric;
  });
}

config::VirtualRoute route(const char* to, const char* via, const char* interface) {
  config::VirtualRoute made;
  made.to = *IpPrefix::parse(to);
  made.via = IpAddress::parse(via);
  made.interface = interface;
  return made;
}

const std::vector<VirtualAddress> kAddresses{{"left0", *IpPrefix::parse("192.0.2.100/32")},
                                             {"left0", *IpPrefix::parse("2001:db8::100/128")}};

}  // namespace

TEST_CASE("an address of ours that somebody removes is told, of both families, and nothing about others") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  REQUIRE(addresses->add(kAddresses, 60s));
  TwoNamespaces::run("ip address add 192.0.2.50/24 dev left0");
  auto watch = OwnWatch::open();
  REQUIRE(watch);

  TwoNamespaces::run("ip address delete 192.0.2.50/24 dev left0");
  TwoNamespaces::run("ip address add 192.0.2.51/24 dev left0");
  REQUIRE(addresses->renew(kAddresses, 60s));
  CHECK(told(*watch).empty());

  TwoNamespaces::run("ip address delete 192.0.2.100/32 dev left0");
  CHECK(tells(*watch, [](const OwnRemovals& all) { return has_address(all, "left0", "192.0.2.100/32"); }));
  TwoNamespaces::run("ip address delete 2001:db8::100/128 dev left0");
  CHECK(tells(*watch, [](const OwnRemovals& all) { return has_address(all, "left0", "2001:db8::100/128"); }));

  REQUIRE(addresses->add(kAddresses, 60s));
  TwoNamespaces::run("ip address flush dev left0");
  CHECK(tells(*watch, [](const OwnRemovals& all) {
    return has_address(all, "left0", "192.0.2.100/32") && has_address(all, "left0", "2001:db8::100/128");
  }));
}

TEST_CASE("a route of ours that somebody removes is told, of both families, and nothing about others") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  auto routes = VirtualRoutes::open();
  REQUIRE(routes);
  std::vector<config::VirtualRoute> wanted{route("0.0.0.0/0", "192.0.2.2", ""),
                                           route("198.51.100.0/24", "192.0.2.2", ""),
                                           route("::/0", "fe80::2", "left0")};
  wanted[1].table = 1000;
  wanted[1].metric = 77;
  REQUIRE(routes->add(wanted));
  TwoNamespaces::run("ip route add 203.0.113.0/24 via 192.0.2.2");
  auto watch = OwnWatch::open();
  REQUIRE(watch);

  TwoNamespaces::run("ip route delete 203.0.113.0/24");
  CHECK(told(*watch).empty());
  TwoNamespaces::run("ip route delete default");
  CHECK(tells(*watch, [](const OwnRemovals& all) { return has_route(all, "0.0.0.0/0", 254, 0); }));
  TwoNamespaces::run("ip route delete 198.51.100.0/24 table 1000");
  CHECK(tells(*watch, [](const OwnRemovals& all) { return has_route(all, "198.51.100.0/24", 1000, 77); }));
  TwoNamespaces::run("ip -6 route delete default");
  CHECK(tells(*watch, [](const OwnRemovals& all) { return has_route(all, "::/0", 254, 1024); }));
}

TEST_CASE(
    "an interface that goes down, comes up or is deleted is a reason to look: its routes go in silence") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto routes = VirtualRoutes::open();
  auto addresses = VirtualAddresses::open();
  REQUIRE(routes);
  REQUIRE(addresses);
  const auto wanted = route("0.0.0.0/0", "192.0.2.2", "");
  REQUIRE(routes->add({&wanted, 1}));
  REQUIRE(addresses->add(kAddresses, 60s));
  auto watch = OwnWatch::open();
  REQUIRE(watch);

  TwoNamespaces::run("ip link set left0 down");
  OwnRemovals down;
  CHECK(tells(*watch, [&](const OwnRemovals& all) {
    down = all;
    return all.look_yourself && has_address(all, "left0", "2001:db8::100/128");
  }));
  CHECK(down.routes.empty());
  CHECK(routes->list_own()->empty());
  TwoNamespaces::run("ip link set left0 up");
  CHECK(tells(*watch, [](const OwnRemovals& all) { return all.look_yourself; }));
  TwoNamespaces::run("ip link delete left0");
  CHECK(tells(*watch, [](const OwnRemovals& all) {
    return all.look_yourself && has_address(all, "", "192.0.2.100/32");
  }));
}

TEST_CASE("events that did not fit are a reason to look, and the watch goes on") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  auto watch = OwnWatch::open();
  REQUIRE(watch);
  std::vector<VirtualAddress> many;
  for (int i = 0; i < 2000; ++i) {
    const auto high = static_cast<std::uint8_t>(i / 250);
    const auto low = static_cast<std::uint8_t>(i % 250);
    many.push_back({"left0", {IpAddress::ipv4({198, 18, high, low}), 32}});
  }
  while (watch->lost_events() == 0) {
    REQUIRE(addresses->add(many, 60s));
    REQUIRE(addresses->remove(many));
    REQUIRE(addresses->add(many, 60s));
    REQUIRE(addresses->remove(many));
    REQUIRE(watch->read());
  }

  // The kernel drops everything until the last waiting event has been read: then is the time to look.
  REQUIRE(addresses->add(kAddresses, 60s));
  TwoNamespaces::run("ip address delete 192.0.2.100/32 dev left0");
  CHECK(tells(*watch, [](const OwnRemovals& all) { return all.look_yourself; }));

  REQUIRE(addresses->add(kAddresses, 60s));
  TwoNamespaces::run("ip address delete 192.0.2.100/32 dev left0");
  CHECK(tells(*watch, [](const OwnRemovals& all) { return has_address(all, "left0", "192.0.2.100/32"); }));
}
