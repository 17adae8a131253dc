#include "firewall/policy.hpp"

#include <doctest/doctest.h>

#include "firewall/listing.hpp"
#include "tests/unit/firewall/fixture.hpp"

using namespace ftfw;
using namespace ftfw::firewall;
using config::PolicyRule;
using test::config_with_rule;
using test::from;
using test::ports;
using test::rules_of;

namespace {

// The allow's own rule: the second of the chain.
std::string allow_rule(PolicyRule allow) {
  const Ruleset ruleset = build_ruleset(config_with_rule(std::move(allow)), {});
  return to_nft(ruleset.front().chains.back().rules.at(1));
}

std::string forward_rules(const config::Config& config) {
  return rules_of(build_ruleset(config, {}), "ftfw", "forward");
}

}  // namespace

TEST_CASE("the reference configuration becomes the reference ruleset, letter by letter") {
  const Ruleset ruleset = build_ruleset(test::reference_config(), {});
  CHECK(to_nft(ruleset) == test::read_file(FIREWALL_TEST_DATA "/reference.nft"));
}

TEST_CASE(
    "without flowtables in the kernel an automatic flowtable and its whole rule are left out, the counter "
    "stays") {
  const Ruleset ruleset = build_ruleset(test::reference_config(), {.flowtables = false});
  CHECK(ruleset.front().flowtables.empty());
  CHECK(ruleset.front().counters.size() == 1);
  CHECK(rules_of(ruleset, "ftfw", "forward_reply") == "accept\n");
}

TEST_CASE("what comes in for a virtual MAC arrives on its macvlan and is matched like its interface") {
  config::Config config = test::reference_config();
  config.group.routers.front().virtual_mac_interface = "vrrp.61";
  const Ruleset ruleset = build_ruleset(config, {});
  const std::string forward = rules_of(ruleset, "ftfw", "forward");
  CHECK(forward.contains("iifname { \"eth1\", \"vrrp.61\" } udp dport 53"));
  CHECK(forward.contains("iifname \"eth0\" ct state established"));
  CHECK(rules_of(ruleset, "nat", "postrouting").contains("oifname \"eth0\""));
}

TEST_CASE("a required flowtable stays in the ruleset, so that the kernel's refusal names its line") {
  config::Config config = test::reference_config();
  config.firewall.flowtables.front().mode = config::FlowtableMode::require;
  const Ruleset ruleset = build_ruleset(config, {.flowtables = false});
  REQUIRE(ruleset.front().flowtables.size() == 1);
  CHECK(ruleset.front().flowtables.front().where == config.firewall.flowtables.front().where);
}

TEST_CASE("a flowtable that is off is left out whatever the kernel has") {
  config::Config config = test::reference_config();
  config.firewall.flowtables.front().mode = config::FlowtableMode::off;
  const Ruleset ruleset = build_ruleset(config, {});
  CHECK(ruleset.front().flowtables.empty());
  CHECK(rules_of(ruleset, "ftfw", "forward_reply") == "accept\n");
}

TEST_CASE("a flowtable without a counter counts nothing") {
  config::Config config = test::reference_config();
  config.firewall.flowtables.front().counter.clear();
  CHECK(rules_of(build_ruleset(config, {}), "ftfw", "forward_reply") ==
        "ct status expected flow add @flow_exp accept\naccept\n");
}

TEST_CASE("the forward policy is the configuration's") {
  config::Config config = test::reference_config();
  CHECK(build_ruleset(config, {}).front().chains.back().base->policy == Policy::drop);
  config.firewall.forward_policy = config::ForwardPolicy::accept;
  CHECK(build_ruleset(config, {}).front().chains.back().base->policy == Policy::accept);
}

TEST_CASE("an allow becomes one rule that accepts the first packet of a flow") {
  CHECK(allow_rule({.match = {.from = from("eth1"), .protocols = {6}, .ports = ports({22})}}) ==
        "iifname \"eth1\" tcp dport 22 tcp flags syn ct state new accept");
  CHECK(allow_rule({.match = {.from = from("eth1"), .protocols = {6}, .ports = ports({443, 80, 443})}}) ==
        "iifname \"eth1\" tcp dport { 80, 443 } tcp flags syn ct state new accept");
  CHECK(allow_rule({.match = {.from = from("eth1"), .protocols = {6}}}) ==
        "iifname \"eth1\" tcp flags syn ct state new accept");
  CHECK(allow_rule({.match = {.protocols = {17}, .ports = ports({53, 123})}}) ==
        "udp dport { 53, 123 } ct state new accept");
  CHECK(allow_rule({.match = {.protocols = {17}}}) == "meta l4proto udp ct state new accept");
  CHECK(allow_rule({.match = {.from = from("eth2"), .protocols = {47}}}) ==
        "iifname \"eth2\" meta l4proto gre ct state new accept");
  CHECK(allow_rule({.match = {.protocols = {200}}}) == "meta l4proto 200 ct state new accept");
  CHECK(allow_rule({.match = {.from = from("eth1")}, .helper = "ftp"}) ==
        "iifname \"eth1\" ct state related ct helper \"ftp\" accept");
}

TEST_CASE("ICMP is accepted packet by packet, by type or all of it") {
  CHECK(allow_rule({.match = {.protocols = {1}, .icmp_types = {8}}}) == "icmp type echo-request accept");
  CHECK(allow_rule({.match = {.from = from("eth0"), .protocols = {1}, .icmp_types = {11, 3, 8, 3}}}) ==
        "iifname \"eth0\" icmp type { destination-unreachable, echo-request, time-exceeded } accept");
  CHECK(allow_rule({.match = {.protocols = {1}, .icmp_types = {44}}}) == "icmp type 44 accept");
  CHECK(allow_rule({.match = {.protocols = {1}}}) == "meta l4proto icmp accept");
}

TEST_CASE("a limit is printed with each unit and stands before the verdict") {
  const auto limited = [](std::uint64_t packets, std::uint64_t seconds) {
    return allow_rule(
        {.match = {.protocols = {17}, .ports = ports({53})}, .limit = config::RateLimit{packets, seconds}});
  };
  CHECK(limited(1, 1) == "udp dport 53 ct state new limit rate 1/second accept");
  CHECK(limited(20, 60) == "udp dport 53 ct state new limit rate 20/minute accept");
  CHECK(limited(300, 3600) == "udp dport 53 ct state new limit rate 300/hour accept");
  CHECK(limited(4000, 86400) == "udp dport 53 ct state new limit rate 4000/day accept");
}

TEST_CASE("without a log prefix nothing is logged") {
  config::Config config = test::reference_config();
  config.firewall.log_invalid.clear();
  CHECK(forward_rules(config).find("log") == std::string::npos);
}

TEST_CASE(
    "each interface where flows begin gets one rule for their further packets, after the last such allow") {
  config::Config config = config_with_rule({.match = {.from = from("eth1"), .protocols = {6}}});
  config.firewall.rules.push_back({.match = {.from = from("eth3"), .protocols = {17}}});
  config.firewall.rules.push_back({.match = {.from = from("eth1"), .protocols = {17}}});
  config.firewall.rules.push_back({.match = {.protocols = {1}}});
  CHECK(forward_rules(config) ==
        "iifname \"eth0\" ct state established ct direction reply goto forward_reply\n"
        "iifname \"eth1\" tcp flags syn ct state new accept\n"
        "iifname \"eth3\" meta l4proto udp ct state new accept\n"
        "iifname \"eth1\" meta l4proto udp ct state new accept\n"
        "iifname \"eth1\" ct state established ct direction original accept\n"
        "iifname \"eth3\" ct state established ct direction original accept\n"
        "meta l4proto icmp accept\n");
}

TEST_CASE("flows that may begin anywhere are answered from anywhere") {
  CHECK(forward_rules(config_with_rule({.match = {.protocols = {17}}})) ==
        "ct state established ct direction reply goto forward_reply\n"
        "meta l4proto udp ct state new accept\n"
        "ct state established ct direction original accept\n");
}

TEST_CASE("flows that begin outside are answered from elsewhere") {
  CHECK(forward_rules(config_with_rule({.match = {.from = from("eth0"), .protocols = {17}}})) ==
        "ct state established ct direction reply goto forward_reply\n"
        "iifname \"eth0\" meta l4proto udp ct state new accept\n"
        "iifname \"eth0\" ct state established ct direction original accept\n");
}

TEST_CASE("a firewall that allows nothing but ICMP has no rule for flows in original direction") {
  CHECK(forward_rules(config_with_rule({.match = {.protocols = {1}}})) ==
        "iifname \"eth0\" ct state established ct direction reply goto forward_reply\n"
        "meta l4proto icmp accept\n");
}

TEST_CASE("a helper follows its server, a network or any") {
  const auto rule = [](std::optional<IpPrefix> server) {
    config::Config config = test::reference_config();
    config.firewall.helpers.front().server = server;
    return rules_of(build_ruleset(config, {}), "ftfw", "prerouting");
  };
  CHECK(rule(std::nullopt) == "tcp dport 21 ct state new ct helper set \"ftp-std\"\n");
  CHECK(rule(IpPrefix::parse("192.168.0.3/24")) ==
        "tcp dport 21 ip daddr 192.168.0.0/24 ct state new ct helper set \"ftp-std\"\n");
  CHECK(rule(IpPrefix::parse("fd00::3")) ==
        "tcp dport 21 ip6 daddr fd00::3 ct state new ct helper set \"ftp-std\"\n");
}

TEST_CASE("without helpers there is no prerouting chain, without source NAT no nat table") {
  config::Config config = test::reference_config();
  config.firewall.helpers.clear();
  config.firewall.snats.clear();
  const Ruleset ruleset = build_ruleset(config, {});
  REQUIRE(ruleset.size() == 1);
  CHECK(ruleset.front().chains.front().name == "forward_reply");
}

TEST_CASE("source NAT of hosts and networks drops host bits") {
  config::Config config = test::reference_config();
  for (const char* source : {"10.200.3.4/9", "0.0.0.0/0"}) {
    config.firewall.snats.push_back({.match = {.to = from("eth3"), .source = test::addresses({source})},
                                     .to = config::range_of(*IpAddress::parse("192.168.3.100"))});
  }
  CHECK(rules_of(build_ruleset(config, {}), "nat", "postrouting") ==
        "oifname \"eth0\" ip saddr 192.168.2.3 snat ip to 192.168.0.100\n"
        "oifname \"eth3\" ip saddr 10.128.0.0/9 snat ip to 192.168.3.100\n"
        "oifname \"eth3\" meta nfproto ipv4 snat ip to 192.168.3.100\n");
}

TEST_CASE("every rule that a section of the file makes carries its line") {
  const config::Config config = test::reference_config();
  const Ruleset ruleset = build_ruleset(config, {});
  const std::vector<Rule>& forward = ruleset.front().chains.back().rules;
  CHECK(forward.at(1).where == config.firewall.rules.at(0).where);
  CHECK(forward.at(5).where == config.firewall.rules.at(3).where);
  CHECK(forward.at(6).where == config.firewall.log_where);
  CHECK(ruleset.front().helpers.front().where == config.firewall.helpers.front().where);
  CHECK(ruleset.back().chains.front().rules.front().where == config.firewall.snats.front().where);
}

TEST_CASE("the digest of a table changes with its text and with nothing else") {
  config::Config config = test::reference_config();
  const Ruleset before = build_ruleset(config, {});
  config.firewall.rules.front().where = {1000, 1};
  CHECK(build_ruleset(config, {}).front().digest == before.front().digest);
  config.firewall.rules.front().match.ports = ports({22});
  CHECK(build_ruleset(config, {}).front().digest != before.front().digest);
  CHECK(build_ruleset(config, {}).back().digest == before.back().digest);
}
