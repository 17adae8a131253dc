// Virtual routes in the real kernel, in network namespaces of their own. Needs root.
#include <doctest/doctest.h>

#include <cerrno>

#include "tests/unit/vrrp/linux_support.hpp"
#include "vrrp/linux/virtual_addresses.hpp"
#include "vrrp/linux/virtual_routes.hpp"

using namespace ftfw;
using namespace ftfw::vrrp;
using namespace ftfw::test;

namespace {

VirtualRoutes open_routes() {
  auto routes = VirtualRoutes::open();
  REQUIRE(routes);
  return std::move(*routes);
}

config::VirtualRoute route(const char* to, const char* via, const char* interface) {
  config::VirtualRoute made;
  made.to = *IpPrefix::parse(to);
  made.via = IpAddress::parse(via);
  made.interface = interface;
  return made;
}

// By iproute2, not by the code under test.
bool stands(const std::string& command, const std::string& pattern) {
  return succeeds(command + " | grep -E '" + pattern + "'");
}

}  // namespace

TEST_CASE("routes of both families are added with all their fields and our protocol, listed and removed") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  auto addresses = VirtualAddresses::open();
  REQUIRE(addresses);
  const VirtualAddress source{"left0", *IpPrefix::parse("192.0.2.100/32")};
  REQUIRE(addresses->add({&source, 1}, 30s));
  auto routes = open_routes();
  std::vector<config::VirtualRoute> wanted{
      route("0.0.0.0/0", "192.0.2.2", ""), route("198.51.100.9/24", "", "left0"),
      route("203.0.113.0/24", "192.0.2.2", "left0"), route("::/0", "fe80::2", "left0")};
  wanted[2].source = ip("192.0.2.100");
  wanted[2].table = 1000;
  wanted[2].metric = 77;
  wanted[2].mtu = 1400;

  REQUIRE(routes.add(wanted));
  CHECK(stands("ip route show", "^default via 192.0.2.2 dev left0 proto 247 *$"));
  CHECK(stands("ip route show", "^198.51.100.0/24 dev left0 proto 247 scope link"));
  CHECK(stands("ip route show table 1000",
               "^203.0.113.0/24 via 192.0.2.2 dev left0 proto 247 src 192.0.2.100 metric 77 mtu 1400"));
  CHECK(stands("ip -6 route show", "^default via fe80::2 dev left0 proto 247 metric 1024"));
  REQUIRE(routes.add(wanted));  // they stand already
  const auto own = open_routes().list_own();
  REQUIRE(own);
  REQUIRE(own->size() == 4);
  CHECK((*own)[0].interface == "left0");

  REQUIRE(routes.remove({&wanted[0], 1}));
  CHECK_FALSE(stands("ip route show", "default"));
  CHECK(routes.remove({&wanted[0], 1}));  // gone already
  REQUIRE(routes.remove(*own));
  CHECK(routes.list_own()->empty());
  CHECK(stands("ip route show", "^192.0.2.0/24 dev left0"));  // the kernel's own
}

TEST_CASE("a route of ours with another way than wanted is made anew") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  auto routes = open_routes();
  for (const auto& [former, wanted, command, pattern] :
       {std::tuple{route("0.0.0.0/0", "192.0.2.2", ""), route("0.0.0.0/0", "192.0.2.3", ""), "ip route show",
                   "default via 192.0.2.3 dev left0 proto 247"},
        std::tuple{route("::/0", "fe80::2", "left0"), route("::/0", "fe80::3", "left0"), "ip -6 route show",
                   "default via fe80::3 dev left0 proto 247"}}) {
    REQUIRE(routes.add({&former, 1}));
    REQUIRE(routes.add({&wanted, 1}));
    CHECK(stands(command, pattern));
    CHECK(routes.list_own()->size() == 1);
    REQUIRE(routes.remove({&wanted, 1}));
  }
}

TEST_CASE("somebody else's route is neither replaced nor removed, and does not keep the others away") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  network.set_link_local();
  TwoNamespaces::run("ip route add default via 192.0.2.7");
  TwoNamespaces::run("ip -6 route add default via fe80::7 dev left0 metric 1024");
  auto routes = open_routes();
  const std::vector<config::VirtualRoute> wanted{route("0.0.0.0/0", "192.0.2.2", ""),
                                                 route("::/0", "fe80::2", "left0"),
                                                 route("198.51.100.0/24", "192.0.2.2", "")};

  for (const std::size_t first : {0U, 1U}) {
    const auto added = routes.add(std::span(wanted).subspan(first));
    REQUIRE_FALSE(added);
    CHECK(added.error().blame == Blame::configuration);
    CHECK(added.error().code == EEXIST);
    CHECK(added.error().text.contains(to_string(wanted[first])));
  }
  CHECK(stands("ip route show", "198.51.100.0/24"));
  REQUIRE(routes.remove(wanted));
  CHECK(stands("ip route show", "default via 192.0.2.7 dev left0"));
  CHECK(stands("ip -6 route show", "default via fe80::7 dev left0"));
  CHECK_FALSE(stands("ip route show", "198.51.100.0/24"));

  auto beside = wanted[0];
  beside.metric = 50;  // another metric is another route
  CHECK(routes.add({&beside, 1}));
}

TEST_CASE("a route that cannot be is an error that names it") {
  if (skipped_without_root()) return;
  TwoNamespaces network;
  auto routes = open_routes();
  for (const config::VirtualRoute& impossible :
       {route("198.51.100.0/24", "203.0.113.1", ""), route("198.51.100.0/24", "", "absent0")}) {
    const auto added = routes.add({&impossible, 1});
    REQUIRE_FALSE(added);
    CHECK(added.error().text.find("198.51.100.0/24") != std::string::npos);
  }
}
