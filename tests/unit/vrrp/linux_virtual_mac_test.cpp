// Macvlans with the virtual router's MAC in the real kernel, in network namespaces of their own. Needs root.
#include <doctest/doctest.h>

#include <cerrno>
#include <fstream>

#include "tests/unit/vrrp/virtual_mac_support.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

std::string setting(const std::string& path) {
  std::ifstream file("/proc/sys/net/" + path);
  std::string value;
  file >> value;
  return value;
}

bool is_up(const std::string& interface) {
  return succeeds("ip link show " + interface + " up | grep " + interface);
}

}  // namespace

TEST_CASE("a macvlan is made down, private, with the virtual MAC, our group and the settings of its family") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto interfaces = open_interfaces();

  REQUIRE(interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4));
  CHECK(succeeds("ip -d link show vrrp.51 | grep -q 'macvlan mode private'"));
  CHECK(succeeds("ip -d link show vrrp.51 | grep -q 'vrrp.51@left0'"));
  CHECK(mac_of(kMacvlan) == kMac4);
  CHECK_FALSE(is_up(kMacvlan));
  CHECK(interfaces.list_own() == std::vector<std::string>{kMacvlan});
  CHECK(setting("ipv4/conf/vrrp.51/arp_ignore") == "1");
  CHECK(setting("ipv4/conf/vrrp.51/accept_local") == "1");
  CHECK(setting("ipv4/conf/vrrp.51/rp_filter") == "0");
  CHECK(setting("ipv4/conf/vrrp.51/promote_secondaries") == "1");
  CHECK(setting("ipv6/conf/vrrp.51/disable_ipv6") == "1");

  REQUIRE(interfaces.create("vrrp6.51", "left0", kMac6, Family::ipv6));
  CHECK(setting("ipv4/conf/vrrp6.51/arp_ignore") == "1");
  CHECK(setting("ipv6/conf/vrrp6.51/disable_ipv6") == "0");
  CHECK(setting("ipv6/conf/vrrp6.51/addr_gen_mode") == "1");
  CHECK(setting("ipv6/conf/vrrp6.51/accept_dad") == "0");
  CHECK(setting("ipv6/conf/vrrp6.51/accept_ra") == "0");

  REQUIRE(interfaces.set_up(kMacvlan));
  CHECK(is_up(kMacvlan));
  REQUIRE(interfaces.set_down(kMacvlan));
  CHECK_FALSE(is_up(kMacvlan));
  REQUIRE(interfaces.remove(kMacvlan));
  CHECK(::if_nametoindex(kMacvlan) == 0);
  CHECK(interfaces.remove(kMacvlan));  // gone already
  CHECK(interfaces.list_own() == std::vector<std::string>{"vrrp6.51"});
  CHECK(interfaces.set_up(kMacvlan).error().code == ENODEV);
}

TEST_CASE("one of ours is adopted as it stands, or made anew where its parent or MAC differ") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  TwoNamespaces::run("ip link add other0 type veth peer name other1");
  REQUIRE(open_interfaces().create(kMacvlan, "left0", kMac4, Family::ipv4));
  REQUIRE(open_interfaces().set_up(kMacvlan));
  const unsigned first = ::if_nametoindex(kMacvlan);
  TwoNamespaces::run("sysctl -qw net.ipv4.conf.vrrp/51.rp_filter=1");

  auto interfaces = open_interfaces();  // the next run of the program
  REQUIRE(interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4));
  CHECK(::if_nametoindex(kMacvlan) == first);
  CHECK(is_up(kMacvlan));
  CHECK(setting("ipv4/conf/vrrp.51/rp_filter") == "0");  // written again

  REQUIRE(interfaces.create(kMacvlan, "left0", kMac6, Family::ipv6));
  const unsigned second = ::if_nametoindex(kMacvlan);
  CHECK(second != first);
  CHECK(mac_of(kMacvlan) == kMac6);
  CHECK_FALSE(is_up(kMacvlan));

  REQUIRE(interfaces.create(kMacvlan, "other0", kMac6, Family::ipv6));
  CHECK(::if_nametoindex(kMacvlan) != second);
  CHECK(succeeds("ip link show vrrp.51 | grep -q 'vrrp.51@other0'"));
}

TEST_CASE("an interface of that name that is not ours is never touched, and an absent parent is named") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto interfaces = open_interfaces();
  TwoNamespaces::run(
      "ip link add link left0 name vrrp.51 address 00:00:5e:00:01:33 type macvlan mode private");
  const unsigned index = ::if_nametoindex(kMacvlan);

  const auto created = interfaces.create(kMacvlan, "left0", kMac4, Family::ipv4);
  REQUIRE_FALSE(created);
  CHECK(created.error().blame == Blame::configuration);
  CHECK(created.error().code == EEXIST);
  CHECK(created.error().text.find(kMacvlan) != std::string::npos);
  CHECK_FALSE(interfaces.set_up(kMacvlan));
  CHECK_FALSE(interfaces.set_down(kMacvlan));
  CHECK_FALSE(interfaces.remove(kMacvlan));
  CHECK(interfaces.list_own()->empty());
  CHECK(::if_nametoindex(kMacvlan) == index);
  CHECK_FALSE(is_up(kMacvlan));
  CHECK(setting("ipv4/conf/vrrp.51/arp_ignore") == "0");

  const auto orphan = interfaces.create("vrrp.52", "absent0", kMac4, Family::ipv4);
  REQUIRE_FALSE(orphan);
  CHECK(orphan.error().text.find("absent0") != std::string::npos);
}
