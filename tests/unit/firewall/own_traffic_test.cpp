// No policy may cut the pair's own traffic, and who administers it is warned.
#include "firewall/own_traffic.hpp"

#include <doctest/doctest.h>

#include "config/load.hpp"
#include "firewall/policy.hpp"
#include "firewall/ssh_access.hpp"
#include "tests/unit/firewall/constructs.hpp"
#include "tests/unit/firewall/fixture.hpp"

using namespace ftfw;
using namespace ftfw::firewall;

namespace {

using config::Diagnostic;
using config::Severity;

const std::vector<HeldAddress> kHeld{{"eth1", *IpPrefix::parse("192.168.2.1/24")},
                                     {"eth0", *IpPrefix::parse("192.168.0.1/24")},
                                     {"eth2", *IpPrefix::parse("192.168.100.100/24")}};

std::vector<Diagnostic> judged(const config::Config& config, const std::vector<HeldAddress>& held = kHeld) {
  config::DiagnosticList list;
  check_own_traffic(config, build_ruleset(config, {}), build_guard(config), held, list);
  return list.in_file_order();
}

std::vector<Diagnostic> judged(const std::string& policy, const std::vector<HeldAddress>& held = kHeld) {
  return judged(test::config_of(policy), held);
}

std::vector<Diagnostic> ssh(const std::string& policy, const SshUse& use) {
  const config::Config config = test::config_of(policy);
  config::DiagnosticList list;
  check_ssh(config, build_ruleset(config, {}), build_guard(config), kHeld, {use}, list);
  return list.in_file_order();
}

const SshUse kSession{
    .port = 22, .client = *IpAddress::parse("192.168.2.10"), .local = *IpAddress::parse("192.168.2.1")};

}  // namespace

TEST_CASE("the examples take nothing from the pair") {
  for (const char* name : {"/reference.toml", "/dual-stack.toml", "/firewall.toml"}) {
    const auto loaded = config::load(test::read_file(std::string(CONFIG_EXAMPLES_DIR) + name));
    REQUIRE(loaded.config);
    CHECK(judged(*loaded.config, {}).empty());
    CHECK(judged(*loaded.config).empty());
  }
  CHECK(judged("[firewall.input]\nreverse_path = \"strict\"\nsyn_limit = \"1/second\"\n").empty());
  CHECK(judged("[[firewall.deny]]\n[[firewall.reject]]\n").empty());
}

TEST_CASE("a source NAT that takes the advertisements with it is an error at its line") {
  const auto found = judged("[[firewall.snat]]\nout = \"eth0\"\nsource = \"any\"\nto = \"192.168.0.100\"\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].severity == Severity::error);
  CHECK(found[0].where.line == 24);
  CHECK(found[0].text ==
        "this translates the advertisements of 192.168.0.1 that leave on eth0, so the other node does not "
        "take them for what they are");
}

TEST_CASE("where nobody knows the nodes' addresses, a network that holds them all is an error all the same") {
  const std::string whole =
      "[[firewall.snat]]\nout = \"eth0\"\nsource = \"192.168.0.0/16\"\nto = \"192.168.0.100\"\n";
  CHECK(judged(whole, {}).size() == 1);
  const std::string one =
      "[[firewall.snat]]\nout = \"eth0\"\nsource = \"192.168.0.101\"\nto = \"192.168.0.100\"\n";
  CHECK(judged(one, {}).empty());
  CHECK(judged(one).empty());
}

TEST_CASE("a destination NAT that takes advertisements or replication is an error at its line") {
  const auto everything =
      judged("[[firewall.dnat]]\nfrom = \"any\"\ndestination = \"any\"\nto = \"192.168.2.80\"\n");
  REQUIRE(everything.size() == 2);
  CHECK(everything[0].where.line == 24);
  const auto proxy = judged(
      "[[firewall.redirect]]\nfrom = \"any\"\ndestination = \"any\"\nprotocol = \"udp\"\nports = "
      "[\"1-65535\"]\nto_ports = 3128\n");
  REQUIRE(proxy.size() == 1);
  CHECK(proxy[0].text.find("the replication of 192.168.100.") != std::string::npos);
  CHECK(judged("[[firewall.redirect]]\nfrom = \"eth1\"\ndestination = \"any\"\nprotocol = \"udp\"\nports = "
               "[53]\n")
            .empty());
}

TEST_CASE("an SSH session that could not begin again is a warning with the service that would do") {
  const auto closed = ssh("[firewall.input]\n", kSession);
  REQUIRE(closed.size() == 1);
  CHECK(closed[0].severity == Severity::warning);
  CHECK(closed[0].where.line == 24);
  CHECK(
      closed[0].hint ==
      "[[firewall.service]] with from = \"eth1\", source = \"192.168.2.10\", protocol = \"tcp\" and ports = "
      "[22]");
  CHECK(ssh("[firewall.input]\n[[firewall.service]]\nprotocol = \"tcp\"\nports = [22]\n", kSession).empty());
  CHECK(ssh("", kSession).empty());
  CHECK(ssh("[[firewall.dnat]]\nfrom = \"eth1\"\ndestination = \"192.168.2.1\"\nprotocol = \"tcp\"\nports = "
            "[22]\nto = \"192.168.0.3\"\n",
            kSession)
            .size() == 1);
}

TEST_CASE("an SSH server that nobody can reach is a warning, one that anybody can reach is none") {
  const SshUse listening{.port = 2222};
  CHECK(ssh("[firewall.input]\n[[firewall.service]]\nprotocol = \"tcp\"\nports = [22]\n", listening).size() ==
        1);
  CHECK(ssh("[[firewall.group]]\nname = \"admins\"\ntype = \"hosts\"\nelements = [\"10.7.7.7\"]\n"
            "[firewall.input]\n[[firewall.service]]\nsource = \"@admins\"\nprotocol = \"tcp\"\nports = "
            "[2222]\n",
            listening)
            .empty());
}
