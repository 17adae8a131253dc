#include "config/key_places.hpp"

#include <doctest/doctest.h>

namespace ftfw::config {
namespace {

constexpr std::string_view kText = R"(schema = 1
[node.fw-1]
priority = 100
[node."fw.2"]
  priority = 80
[[sync_group]]
[[sync_group.virtual_router]]
interface = "eth0"
[[sync_group.virtual_router]]
interface = "eth1"
unicast = [
  "10.0.0.1",
  "10.0.0.2"]
[vrrp]
authentication = { type = "pass", password = "x" }
)";

TEST_CASE("a key is found at its name, a section at its header, an element where it begins") {
  const KeyPlaces places(kText);
  CHECK(places.of({"schema"}) == Location{1, 1});
  CHECK(places.of({"node", "fw-1", "priority"}) == Location{3, 1});
  CHECK(places.of({"node", "fw.2", "priority"}) == Location{5, 3});
  CHECK(places.of({"sync_group", "0", "virtual_router", "1", "interface"}) == Location{10, 1});
  CHECK(places.of({"sync_group", "0", "virtual_router", "1", "unicast", "1"}) == Location{13, 3});
  CHECK(places.of({"vrrp", "authentication"}) == Location{15, 1});
}

TEST_CASE("a key that is left out is at its section, one without a section nowhere") {
  const KeyPlaces places(kText);
  CHECK(places.of({"vrrp", "version"}).line == 14);
  CHECK(places.of({"sync_group", "0", "virtual_router", "1", "up_delay"}).line == 9);
  CHECK(places.of({"sync_group", "0", "virtual_router", "7", "up_delay"}).line == 7);
  CHECK(places.of({"replication", "port"}).line == 0);
  CHECK(KeyPlaces("no toml").of({"schema"}).line == 0);
}

}  // namespace
}  // namespace ftfw::config
