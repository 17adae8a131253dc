#include "firewall/guard.hpp"

#include <doctest/doctest.h>

#include "firewall/listing.hpp"
#include "tests/unit/firewall/fixture.hpp"

using namespace ftfw;
using namespace ftfw::firewall;

namespace {

std::string text_of(const Guard& guard) {
  Table table = guard.table;
  table.chains = {guard.closed, guard.gate, guard.shield};
  return to_nft(table);
}

}  // namespace

TEST_CASE("the guard of the reference pair drops what is for a virtual address or not for this machine") {
  CHECK(text_of(build_guard(test::reference_config())) ==
        "table inet ftfw_guard {\n"
        "\tchain guard {\n"
        "\t\ttype filter hook prerouting priority raw - 10; policy drop;\n"
        "\t\tip daddr { 192.168.0.100, 192.168.2.100 } drop\n"
        "\t\tfib daddr type unicast drop\n"
        "\t\taccept\n"
        "\t}\n"
        "\n"
        "\tchain gate {\n"
        "\t\ttype filter hook forward priority raw - 10; policy drop;\n"
        "\t\tdrop\n"
        "\t}\n"
        "\n"
        "\tchain shield {\n"
        "\t\ttype filter hook input priority 200; policy accept;\n"
        "\t\tip daddr { 192.168.0.100, 192.168.2.100 } ct state invalid,new,untracked drop\n"
        "\t}\n"
        "}\n");
}

TEST_CASE("virtual addresses of both families and with a prefix length are compared as hosts") {
  config::Config config = test::reference_config();
  config.group.routers.front().addresses = {{.address = *IpPrefix::parse("10.0.0.1/24")},
                                            {.address = *IpPrefix::parse("fd00::1/64")}};
  config.group.routers.back().addresses = {{.address = *IpPrefix::parse("10.0.0.1")}};
  const Guard guard = build_guard(config);
  REQUIRE(guard.closed.rules.size() == 4);
  CHECK(to_nft(guard.closed.rules.at(0)) == "ip daddr 10.0.0.1 drop");
  CHECK(to_nft(guard.closed.rules.at(1)) == "ip6 daddr fd00::1 drop");
  CHECK(to_nft(guard.shield.rules.at(1)) == "ip6 daddr fd00::1 ct state invalid,new,untracked drop");
}

TEST_CASE("without virtual addresses the guard still forwards nothing") {
  config::Config config = test::reference_config();
  config.group.routers.clear();
  const Guard guard = build_guard(config);
  CHECK(to_nft(guard.closed.rules.front()) == "fib daddr type unicast drop");
  CHECK(guard.shield.rules.empty());
}
