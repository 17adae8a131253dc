// Policy as the operator writes it -> nft text, construct by construct; and what changes around the rules.
#include <doctest/doctest.h>

#include <string>

#include "firewall/listing.hpp"
#include "firewall/policy.hpp"
#include "tests/unit/firewall/constructs.hpp"
#include "tests/unit/firewall/fixture.hpp"

using namespace ftfw;
using namespace ftfw::firewall;

namespace {

// Without what every forward chain has: the rules on established flows.
std::string without_established(const std::string& rules) {
  std::string kept;
  for (std::size_t from = 0; from < rules.size();) {
    const std::size_t end = rules.find('\n', from) + 1;
    const std::string line = rules.substr(from, end - from);
    if (line.find("ct direction ") == std::string::npos) kept += line;
    from = end;
  }
  return kept;
}

std::string forward_of(const std::string& policy, const Capabilities& capabilities = {}) {
  return test::rules_of(build_ruleset(test::config_of(policy), capabilities), "ftfw", "forward");
}

std::string reply_of(const std::string& policy, const Capabilities& capabilities = {}) {
  return test::rules_of(build_ruleset(test::config_of(policy), capabilities), "ftfw", "forward_reply");
}

}  // namespace

TEST_CASE("each construct of the policy becomes exactly these nft rules") {
  for (const test::Construct& construct : test::constructs()) {
    CAPTURE(construct.name);
    const Ruleset ruleset = build_ruleset(test::config_of(construct.policy), {});
    CHECK(without_established(test::rules_of(ruleset, construct.table, construct.chain)) == construct.rules);
  }
}

TEST_CASE("a group of the file is a set of each table that uses it and of no other") {
  const Ruleset ruleset = build_ruleset(test::config_of(R"([[firewall.group]]
name = "guests"
type = "networks"
elements = ["192.168.3.0/24", "fd00:3::/64", "192.168.3.7"]
[[firewall.group]]
name = "web"
type = "ports"
elements = [80, "81-90", 443]
[[firewall.snat]]
out = "eth0"
source = "@guests"
to = "192.168.0.100"
[[firewall.allow]]
protocol = "tcp"
ports = "@web")"),
                                        {});
  REQUIRE(ruleset.size() == 2);
  REQUIRE(ruleset[0].sets.size() == 1);
  CHECK(ruleset[0].sets[0].name == "web");
  CHECK(ruleset[0].sets[0].ports == std::vector<PortRange>{{80, 90}, {443, 443}});
  REQUIRE(ruleset[1].sets.size() == 1);
  CHECK(to_nft(ruleset[1]) == R"(table inet nat {
	set guests_v4 {
		type ipv4_addr
		flags interval
		elements = { 192.168.3.0/24 }
	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "eth0" ip saddr @guests_v4 snat ip to 192.168.0.100
	}
}
)");
}

TEST_CASE("established flows are accepted behind the rules, or before them if the file says so") {
  const std::string rules = "[[firewall.deny]]\nprotocol = \"udp\"\n[[firewall.allow]]\nprotocol = \"tcp\"\n";
  CHECK(forward_of(rules) ==
        "iifname \"eth0\" ct state established ct direction reply goto forward_reply\n"
        "meta l4proto udp drop\n"
        "iifname \"eth1\" tcp flags syn ct state new accept\n"
        "iifname \"eth1\" ct state established ct direction original accept\n");
  CHECK(forward_of("established = \"first\"\n" + rules) ==
        "iifname \"eth0\" ct state established ct direction reply goto forward_reply\n"
        "iifname \"eth1\" ct state established ct direction original accept\n"
        "meta l4proto udp drop\n"
        "iifname \"eth1\" tcp flags syn ct state new accept\n");
}

TEST_CASE("answers come from the outside only while the file sends flows nowhere else") {
  const auto first_rule = [](const std::string& policy) {
    const std::string rules = forward_of(policy);
    return rules.substr(0, rules.find('\n'));
  };
  const std::string outside = "iifname \"eth0\" ct state established ct direction reply goto forward_reply";
  const std::string anywhere = "ct state established ct direction reply goto forward_reply";
  const std::string allow = "[[firewall.allow]]\nprotocol = \"tcp\"\n";
  CHECK(first_rule(allow) == outside);
  CHECK(first_rule(allow + "to = \"eth0\"\n") == outside);
  CHECK(first_rule(allow + "from = \"eth3\"\n") == outside);
  CHECK(first_rule(allow + "to = [\"eth0\", \"eth3\"]\n") == anywhere);
  CHECK(first_rule(allow + "from = \"any\"\n") == anywhere);
  CHECK(first_rule(allow + "[[firewall.masquerade]]\nout = \"ppp0\"\n") == anywhere);
  CHECK(first_rule(
            "[[firewall.dnat]]\nfrom = \"eth1\"\ndestination = \"192.168.2.100\"\nto = \"192.168.0.3\"\n") ==
        anywhere);
  // A deny lets nothing begin.
  CHECK(first_rule(allow + "[[firewall.deny]]\nto = \"eth3\"\n") == outside);
}

TEST_CASE("flowtables take expected flows, all of them, or those of the rules that name them") {
  const auto flowtable = [](const std::string& flows) {
    return "[[firewall.flowtable]]\nname = \"fast\"\ndevices = [\"eth0\", \"eth1\"]\nflows = \"" + flows +
           "\"\n";
  };
  const std::string allow = "[[firewall.allow]]\nprotocol = \"tcp\"\nports = [443]\n";
  CHECK(reply_of(flowtable("expected") + allow) == "ct status expected flow add @fast accept\naccept\n");
  CHECK(reply_of(flowtable("established") + allow) == "flow add @fast accept\naccept\n");
  const std::string by_rule = flowtable("rules") + allow + "flowtable = \"fast\"\n";
  CHECK(reply_of(by_rule) == "accept\n");
  CHECK(forward_of(by_rule) ==
        "iifname \"eth0\" ct state established ct direction reply goto forward_reply\n"
        "iifname \"eth1\" tcp dport 443 tcp flags syn ct state new accept\n"
        "iifname \"eth1\" tcp dport 443 ct state established ct direction original flow add @fast\n"
        "iifname \"eth1\" ct state established ct direction original accept\n");
  CHECK(forward_of(by_rule, {.flowtables = false}).find("fast") == std::string::npos);
}

TEST_CASE(
    "rules for an interface also match what arrives on the macvlan of its virtual MAC, in every table") {
  config::Config config = test::config_of(R"([firewall.input]
[[firewall.service]]
from = ["eth1", "eth2"]
protocol = "tcp"
ports = [22]
[[firewall.dnat]]
from = "eth0"
destination = "192.168.0.100"
protocol = "tcp"
ports = [80]
to = "192.168.2.3")");
  for (config::VirtualRouter& router : config.group.routers)
    router.virtual_mac_interface = "vrrp." + router.interface;
  const Ruleset ruleset = build_ruleset(config, {});
  CHECK(test::rules_of(ruleset, "nat", "prerouting") ==
        "iifname { \"eth0\", \"vrrp.eth0\" } ip daddr 192.168.0.100 tcp dport 80 dnat ip to 192.168.2.3\n");
  const std::string input = test::rules_of(ruleset, "ftfw_input", "input");
  CHECK(
      input.find("iifname { \"eth0\", \"eth1\", \"vrrp.eth0\", \"vrrp.eth1\" } meta l4proto vrrp accept\n") !=
      std::string::npos);
  CHECK(input.find("iifname { \"eth1\", \"eth2\", \"vrrp.eth1\" } tcp dport 22 ") != std::string::npos);
}

TEST_CASE("the replication of both nodes is accepted on each of its links") {
  config::Config config = test::config_of("[firewall.input]\n");
  config.replication.port = 4000;
  config.replication.further_links = {
      {.interface = "eth5", .addresses = {*IpAddress::parse("fd05::2"), *IpAddress::parse("fd05::1")}}};
  const std::string input = test::rules_of(build_ruleset(config, {}), "ftfw_input", "input");
  CHECK(input.find("iifname \"eth2\" ip saddr { 192.168.100.100, 192.168.100.200 } udp dport 4000 accept\n"
                   "iifname \"eth5\" ip6 saddr { fd05::1, fd05::2 } udp dport 4000 accept\n") !=
        std::string::npos);
}

TEST_CASE("without [firewall.input] there is no table for the firewall itself") {
  const Ruleset ruleset = build_ruleset(test::config_of("[[firewall.allow]]\nprotocol = \"tcp\"\n"), {});
  REQUIRE(ruleset.size() == 1);
  CHECK(ruleset.front().name == "ftfw");
}
