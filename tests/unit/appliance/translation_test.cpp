#include "appliance/failover/translation.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace ftfw;

namespace {

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

config::VirtualAddress virtual_address(std::string_view text) {
  config::VirtualAddress address;
  address.address = IpPrefix::parse(text).value();
  return address;
}

config::Node node(std::string name, std::string_view replication_address) {
  config::Node made;
  made.name = std::move(name);
  made.replication_address = ip(replication_address);
  return made;
}

}  // namespace

TEST_CASE("flows of the machine, both replication addresses and every virtual address are local, once each") {
  config::Config config;
  config.nodes = {node("a", "192.0.2.1"), node("b", "192.0.2.2")};
  config::VirtualRouter router;
  router.addresses = {virtual_address("192.168.0.100/24")};
  router.excluded_addresses = {virtual_address("192.168.0.101/24"), virtual_address("fd00::100/64")};
  config.group.routers = {router};
  const std::vector<IpAddress> machine{ip("192.0.2.1"), ip("192.168.0.1")};

  const sync::Settings settings = failover::replication_settings(config, 0, machine);

  CHECK(settings.node == "a");
  CHECK(settings.peers == std::vector<std::string>{"b"});
  CHECK(settings.local_addresses == std::vector<IpAddress>{ip("192.0.2.1"), ip("192.0.2.2"),
                                                           ip("192.168.0.1"), ip("192.168.0.100"),
                                                           ip("192.168.0.101"), ip("fd00::100")});
}
