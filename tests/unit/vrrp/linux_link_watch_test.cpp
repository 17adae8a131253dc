// The link watch against the real kernel, in network namespaces of its own. Needs root.
#include <doctest/doctest.h>

#include "tests/unit/vrrp/linux_support.hpp"
#include "vrrp/linux/link_watch.hpp"
#include "vrrp/linux/virtual_addresses.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

// Takes in events until the state of the only interface satisfies the condition.
template <typename Condition>
bool link_becomes(LinkWatch& watch, Condition condition) {
  return within(3s, [&] {
    REQUIRE(watch.read());
    return condition(watch.state(0));
  });
}

}  // namespace

TEST_CASE("the link watch reports the state at the start, then link down and up") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"left0"});
  REQUIRE(watch);
  CHECK(link_becomes(*watch, [](const LinkState& state) { return state.up; }));
  CHECK(watch->state(0).ipv4 == ip("192.0.2.1"));

  network.in_right([] { TwoNamespaces::run("ip link set right0 down"); });  // the carrier is gone
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.up; }));
  CHECK(watch->state(0).ipv4 == ip("192.0.2.1"));

  network.in_right([] { TwoNamespaces::run("ip link set right0 up"); });
  CHECK(link_becomes(*watch, [](const LinkState& state) { return state.up; }));

  TwoNamespaces::run("ip link set left0 down");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.up; }));
}

TEST_CASE("the link watch follows the primary address and never takes a virtual one for it") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"left0"});
  auto addresses = VirtualAddresses::open();
  REQUIRE(watch);
  REQUIRE(addresses);

  const VirtualAddress taken{"left0", *IpPrefix::parse("192.0.2.100/32")};
  REQUIRE(addresses->add({&taken, 1}, 60s));
  REQUIRE(watch->read());
  CHECK(watch->state(0).ipv4 == ip("192.0.2.1"));
  TwoNamespaces::run("ip address delete 192.0.2.1/24 dev left0");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.ipv4; }));
  TwoNamespaces::run("ip address add 192.0.2.7/24 dev left0");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return state.ipv4 == ip("192.0.2.7"); }));

  auto second = LinkWatch::open({"left0"});  // likewise from the tables
  REQUIRE(second);
  CHECK(second->state(0).ipv4 == ip("192.0.2.7"));
}

TEST_CASE("the link watch reports a deleted interface and its successor as another one") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"dummy0"});
  REQUIRE(watch);
  CHECK_FALSE(watch->state(0).exists());

  TwoNamespaces::run("ip link add dummy0 type veth peer name peer0");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return state.exists(); }));
  const int first = watch->state(0).index;
  TwoNamespaces::run("ip link delete dummy0");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.exists(); }));

  // An address that came before the name: the interface is renamed into place.
  TwoNamespaces::run("ip link add other0 type veth peer name peer0");
  TwoNamespaces::run("ip address add 198.51.100.1/24 dev other0");
  TwoNamespaces::run("ip link set other0 name dummy0");
  bool recreated = false;
  CHECK(within(3s, [&] {
    const auto changes = watch->read();
    REQUIRE(changes);
    for (const LinkChange& change : *changes) recreated = recreated || change.recreated;
    return watch->state(0).ipv4 == ip("198.51.100.1");
  }));
  CHECK(recreated);
  CHECK(watch->state(0).index != first);
}

TEST_CASE("a change that falls into a loss of events, after the loss was noticed, is seen all the same") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto watch = LinkWatch::open({"left0"});
  auto addresses = VirtualAddresses::open();
  REQUIRE(watch);
  REQUIRE(addresses);
  std::vector<VirtualAddress> many;
  for (std::uint8_t i = 0; i < 250; ++i) many.push_back({"left0", {IpAddress::ipv4({198, 51, 100, i}), 32}});
  while (watch->lost_events() == 0) {
    for (int times = 0; times < 20; ++times) {
      REQUIRE(addresses->add(many, 60s));
      REQUIRE(addresses->remove(many));
    }
    REQUIRE(watch->read());
  }

  // The kernel drops everything until the last waiting event has been read.
  TwoNamespaces::run("ip address delete 192.0.2.1/24 dev left0");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.ipv4; }));
}

TEST_CASE("the link watch follows the IPv6 link-local address and leaves out those that cannot be used") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  auto watch = LinkWatch::open({"left0"});
  auto addresses = VirtualAddresses::open();
  REQUIRE(watch);
  REQUIRE(addresses);
  CHECK(watch->state(0).link_local == ip("fe80::1"));  // from the tables
  CHECK(watch->state(0).address(Family::ipv6) == ip("fe80::1"));
  CHECK(watch->state(0).address(Family::ipv4) == ip("192.0.2.1"));

  TwoNamespaces::run("ip address add 2001:db8::1/64 dev left0 nodad");
  TwoNamespaces::run("ip address delete fe80::1/64 dev left0");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return !state.link_local; }));
  TwoNamespaces::run("ip address add fe80::7/64 dev left0 nodad");
  CHECK(link_becomes(*watch, [](const LinkState& state) { return state.link_local == ip("fe80::7"); }));
  CHECK(watch->state(0).ipv4 == ip("192.0.2.1"));

  // A virtual one, lower than ours.
  const VirtualAddress taken{"left0", *IpPrefix::parse("fe80::5/64")};
  REQUIRE(addresses->add({&taken, 1}, 60s));
  REQUIRE(watch->read());
  CHECK(watch->state(0).link_local == ip("fe80::7"));
  auto second = LinkWatch::open({"left0"});
  REQUIRE(second);
  CHECK(second->state(0).link_local == ip("fe80::7"));
}

TEST_CASE("a tentative link-local address counts once duplicate address detection is over") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  TwoNamespaces::run("ip address delete fe80::1/64 dev left0");
  auto watch = LinkWatch::open({"left0"});
  REQUIRE(watch);
  TwoNamespaces::run("ip address add fe80::9/64 dev left0");  // with detection, a second or two
  auto from_tables = LinkWatch::open({"left0"});
  REQUIRE(from_tables);
  REQUIRE(watch->read());
  CHECK_FALSE(from_tables->state(0).link_local);
  CHECK_FALSE(watch->state(0).link_local);

  CHECK(within(10s, [&] {
    REQUIRE(watch->read());
    return watch->state(0).link_local == ip("fe80::9");
  }));
}

TEST_CASE("a link-local address that the other node has too never counts") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  TwoNamespaces::run("ip address delete fe80::1/64 dev left0");
  auto watch = LinkWatch::open({"left0"});
  REQUIRE(watch);
  TwoNamespaces::run("ip address add fe80::2/64 dev left0");  // right0 has it

  CHECK(within(10s, [] {
    return std::system("ip -6 address show dev left0 | grep -q 'fe80::2/64.*dadfailed'") == 0;
  }));
  REQUIRE(watch->read());
  CHECK_FALSE(watch->state(0).link_local);
  auto from_tables = LinkWatch::open({"left0"});
  REQUIRE(from_tables);
  CHECK_FALSE(from_tables->state(0).link_local);
}
