// The evaluation by the book: each expression, the hooks in their order, NAT, rates. Whether the kernel
// agrees is the matter of evaluate_kernel_test.cpp.
#include "firewall/evaluate.hpp"

#include <doctest/doctest.h>

#include "firewall/explain.hpp"
#include "firewall/packet_text.hpp"
#include "firewall/policy.hpp"
#include "firewall/presumed.hpp"
#include "tests/unit/firewall/constructs.hpp"
#include "tests/unit/firewall/fixture.hpp"

using namespace ftfw;
using namespace ftfw::firewall;

namespace {

struct Policed {
  config::Config config;
  Ruleset ruleset;
  StandbyTables asleep;

  explicit Policed(config::Config of) : config(std::move(of)), ruleset(build_ruleset(config, {})) {
    fill_standby_tables(asleep, ruleset, build_guard(config));
  }
  Policed(const Policed&) = delete;
  Policed& operator=(const Policed&) = delete;
  explicit Policed(const std::string& policy) : Policed(test::config_of(policy)) {}

  Outcome operator()(const std::string& text) const {
    return evaluate(tables_of(ruleset), presumed_surroundings(config), parse_packet(text).value());
  }
  std::vector<Outcome> all(const std::string& text) const {
    return possible_outcomes(tables_of(ruleset), presumed_surroundings(config), parse_packet(text).value());
  }
  Outcome standby(const std::string& text) const {
    return evaluate(asleep.tables, presumed_surroundings(config), parse_packet(text).value());
  }
};

bool passes(const Policed& policy, const std::string& text) {
  return policy(text).passes();
}

}  // namespace

TEST_CASE("the reference policy: what its rules allow is forwarded, by the rule of that line") {
  const Policed policy(test::reference_config());
  const Outcome web = policy("tcp 192.168.2.3 > 192.168.0.3:443 in eth1 out eth0");
  CHECK(web.fate == Fate::forwarded);
  REQUIRE(web.decisive() != nullptr);
  CHECK(web.decisive()->rule->where.line == 63);
  CHECK(web.decisive()->chain->name == "forward");
  const Outcome telnet = policy("tcp 192.168.2.3 > 192.168.0.3:23 in eth1 out eth0");
  CHECK(telnet.fate == Fate::dropped);
  REQUIRE(telnet.decisive() != nullptr);
  CHECK(telnet.decisive()->rule == nullptr);
  CHECK(passes(policy, "udp 192.168.2.3 > 192.168.0.3:53 in eth1 out eth0"));
  CHECK_FALSE(passes(policy, "udp 192.168.0.3 > 192.168.2.3:53 in eth0 out eth1"));
}

TEST_CASE("established flows pass both ways, through the chains that their rules go to") {
  const Policed policy(test::reference_config());
  const Outcome answer = policy("tcp 192.168.0.3:443 > 192.168.2.3:40000 in eth0 out eth1 reply");
  CHECK(answer.fate == Fate::forwarded);
  REQUIRE(answer.decisive() != nullptr);
  CHECK(answer.decisive()->chain->name == "forward_reply");
  CHECK(passes(policy, "tcp 192.168.2.3 > 192.168.0.3:443 in eth1 out eth0 state established"));
  CHECK_FALSE(passes(policy, "tcp 192.168.2.3 > 192.168.0.3:443 in eth1 out eth0 state invalid flags ack"));
  CHECK(passes(policy, "tcp 192.168.2.3 > 192.168.0.3:50000 in eth1 out eth0 helper ftp"));
  CHECK_FALSE(passes(policy, "tcp 192.168.2.3 > 192.168.0.3:50000 in eth1 out eth0 helper irc"));
}

TEST_CASE("a source NAT is named with its rule, and the packet leaves with the new address") {
  const Policed policy(test::reference_config());
  const Outcome web = policy("tcp 192.168.2.3 > 192.168.0.3:443 in eth1 out eth0");
  REQUIRE(web.translations.size() == 1);
  CHECK(web.translations.front().by.rule->where.line == 83);
  CHECK(web.packet.source.to_string() == "192.168.0.100");
  CHECK(policy("tcp 192.168.2.4 > 192.168.0.3:443 in eth1 out eth0").translations.empty());
}

TEST_CASE("a destination NAT is followed: its own allow judges the new address") {
  const Policed policy(R"([[firewall.dnat]]
from = "eth0"
destination = "192.168.0.100"
protocol = "tcp"
ports = [8080]
to = "192.168.2.80"
to_ports = 80
[[firewall.redirect]]
from = "eth1"
destination = "any"
protocol = "udp"
ports = [53]
)");
  const Outcome web = policy("tcp 192.168.0.3 > 192.168.0.100:8080 in eth0 out eth1");
  CHECK(web.fate == Fate::forwarded);
  CHECK(web.packet.destination.to_string() == "192.168.2.80");
  CHECK(web.packet.destination_port == 80);
  CHECK(policy("tcp 192.168.0.3 > 192.168.0.100:8081 in eth0").fate == Fate::delivered);
  CHECK(policy("tcp 192.168.0.3 > 192.168.2.80:80 in eth0 out eth1").fate == Fate::dropped);
  const Outcome name = policy("udp 192.168.2.3 > 8.8.8.8:53 in eth1");
  CHECK(name.fate == Fate::delivered);
  CHECK(name.packet.destination.to_string() == "192.168.2.100");
}

TEST_CASE("the standby's guard drops what is not for the node itself, and the virtual addresses") {
  const Policed policy(test::reference_config());
  const Outcome through = policy.standby("tcp 192.168.2.3 > 192.168.0.3:443 in eth1");
  CHECK(through.fate == Fate::dropped);
  REQUIRE(through.decisive() != nullptr);
  CHECK(through.decisive()->chain->name == "guard");
  CHECK(policy.standby("tcp 192.168.2.3 > 192.168.2.100:22 in eth1").fate == Fate::dropped);
  CHECK(policy.standby("112 192.168.2.9 > 224.0.0.18 in eth1").fate == Fate::delivered);
}

TEST_CASE("a rate is kept or exceeded: both are told, the kept one first") {
  const Policed policy(test::reference_config());
  const auto outcomes = policy.all("icmp 192.168.2.3 > 192.168.0.3 type echo-request in eth1 out eth0");
  REQUIRE(outcomes.size() == 2);
  CHECK(outcomes[0].fate == Fate::forwarded);
  CHECK(outcomes[1].fate == Fate::dropped);
  const Policed over(
      "[[firewall.deny]]\nlimit = \"over 100/second\"\n[[firewall.allow]]\nprotocol = \"udp\"\n");
  const auto flood = over.all("udp 192.168.2.3 > 192.168.0.3:9 in eth1 out eth0");
  REQUIRE(flood.size() == 2);
  CHECK(flood[0].fate == Fate::forwarded);
  CHECK(flood[1].fate == Fate::dropped);
}

TEST_CASE("groups, ranges, flags, marks, types and states are compared as the kernel does") {
  const Policed policy(R"([[firewall.group]]
name = "blocked"
type = "networks"
elements = ["198.51.100.0/24", "203.0.113.8-203.0.113.20", "2001:db8::/32"]
[[firewall.group]]
name = "web"
type = "ports"
elements = [80, "8000-8080"]
[[firewall.reject]]
source = "@blocked"
[[firewall.deny]]
mark = "0x10/0xf0"
[[firewall.deny]]
connection_mark = 7
[[firewall.deny]]
protocol = "tcp"
tcp_flags = "none / syn,ack"
[[firewall.allow]]
from = "any"
protocol = "tcp"
source_ports = "1024-65535"
ports = "@web"
[[firewall.allow]]
protocol = ["icmp", "icmpv6"]
types = ["echo-request"]
[[firewall.allow]]
state = ["invalid", "untracked"]
protocol = "udp"
)");
  CHECK(policy("tcp 203.0.113.20 > 192.168.0.3:80 in eth1").fate == Fate::rejected);
  CHECK(policy("tcp 203.0.113.21 > 192.168.0.3:80 in eth1").fate == Fate::forwarded);
  CHECK(policy("tcp [2001:db8:ffff::1] > [fd00::3]:80 in eth1").fate == Fate::rejected);
  CHECK(policy("tcp 192.168.2.3:1023 > 192.168.0.3:8080 in eth1").fate == Fate::dropped);
  CHECK(policy("tcp 192.168.2.3:1024 > 192.168.0.3:8080 in eth1").fate == Fate::forwarded);
  CHECK(policy("tcp 192.168.2.3:1024 > 192.168.0.3:8081 in eth1").fate == Fate::dropped);
  CHECK(policy("tcp 192.168.2.3 > 192.168.0.3:80 in eth1 mark 0x1f").fate == Fate::dropped);
  CHECK(policy("tcp 192.168.2.3 > 192.168.0.3:80 in eth1 connection-mark 7").fate == Fate::dropped);
  CHECK(policy("tcp 192.168.2.3 > 192.168.0.3:80 in eth1 flags fin").fate == Fate::dropped);
  CHECK(passes(policy, "icmp 192.168.2.3 > 192.168.0.3 type echo-request in eth1"));
  CHECK_FALSE(passes(policy, "icmp 192.168.2.3 > 192.168.0.3 type echo-reply in eth1"));
  CHECK(passes(policy, "icmpv6 fd00:2::3 > fd00:1::3 type 128 in eth1"));
  CHECK(passes(policy, "udp 192.168.2.3 > 192.168.0.3:9 in eth1 state untracked"));
  CHECK_FALSE(passes(policy, "udp 192.168.2.3 > 192.168.0.3:9 in eth1 state new"));
}

TEST_CASE("packets for the machine meet its own protection, rule by rule") {
  const Policed policy(R"([firewall.input]
syn_limit = "1/second"
[[firewall.service]]
source = "192.168.2.10"
protocol = "tcp"
ports = [22]
)");
  const auto login = policy.all("tcp 192.168.2.10 > 192.168.2.100:22 in eth1");
  REQUIRE(login.size() == 2);
  CHECK(login[0].fate == Fate::delivered);
  CHECK(login[1].fate == Fate::dropped);
  CHECK(policy("tcp 192.168.2.11 > 192.168.2.100:22 in eth1").fate == Fate::dropped);
  CHECK(policy("112 192.168.2.9 > 224.0.0.18 in eth1 state invalid").fate == Fate::delivered);
  CHECK(policy("tcp 192.168.2.11 > 192.168.2.100:22 in eth1 state established").fate == Fate::delivered);
}

TEST_CASE("counters = true: a rule counts what it decides, and decides as it did") {
  const Policed policy(
      "counters = true\n[[firewall.allow]]\nprotocol = \"udp\"\n[[firewall.snat]]\nout = \"eth0\"\n"
      "source = \"192.168.2.3\"\nto = \"192.168.0.100\"\n");
  CHECK(test::rules_of(policy.ruleset, "nat", "postrouting") ==
        "oifname \"eth0\" ip saddr 192.168.2.3 counter packets 0 bytes 0 snat ip to 192.168.0.100\n");
  CHECK(test::rules_of(policy.ruleset, "ftfw", "forward")
            .find("ct state new counter packets 0 bytes 0 accept\n") != std::string::npos);
  CHECK(policy("udp 192.168.2.3 > 192.168.0.3:9 in eth1").translations.size() == 1);
}
